/// The number with commas between groups of three digits: `1,000,000`.
func grouped(_ number: Int) -> String {
    let digits = Array(String(number.magnitude))
    var text = number < 0 ? "-" : ""
    for (index, digit) in digits.enumerated() {
        if index > 0, (digits.count - index).isMultiple(of: 3) { text.append(",") }
        text.append(digit)
    }
    return text
}

/// The number rounded to this many decimals, all of them written: `12.50`. What is too large to scale is clamped.
func fixed(_ number: Double, decimals: Int) -> String {
    precondition((0...9).contains(decimals))
    let scale = (0..<decimals).reduce(1) { scale, _ in scale * 10 }
    let scaled = (number.isFinite ? number * Double(scale) : 0).rounded()
    let units = Int(exactly: scaled) ?? (scaled < 0 ? -.max : .max)
    let (whole, rest) = units.magnitude.quotientAndRemainder(dividingBy: UInt(scale))
    let sign = units < 0 ? "-" : ""
    guard decimals > 0 else { return "\(sign)\(whole)" }
    let restDigits = String(rest)
    return "\(sign)\(whole).\(String(repeating: "0", count: decimals - restDigits.count))\(restDigits)"
}

/// The text set against the right edge of a column of this width.
func rightAligned(_ text: String, width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
}

/// The text set against the left edge of a column of this width.
func leftAligned(_ text: String, width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
}
