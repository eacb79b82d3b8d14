import Basics
import RESP

/// How a command gives the moment at which a key expires: a number of seconds or milliseconds, from now on or from 1970 on.
struct DeadlineForm: Equatable {
    let isInSeconds: Bool
    let isAbsolute: Bool

    static let ex = DeadlineForm(isInSeconds: true, isAbsolute: false)
    static let px = DeadlineForm(isInSeconds: false, isAbsolute: false)
    static let exat = DeadlineForm(isInSeconds: true, isAbsolute: true)
    static let pxat = DeadlineForm(isInSeconds: false, isAbsolute: true)

    enum Failure: Error {
        case notInteger
        /// Beyond what 64 bits hold of milliseconds, or not positive where it has to be.
        case invalid
    }

    /// The moment in milliseconds since 1970, on the clock of the node that takes the command; past ones, and such before 1970, among them.
    func milliseconds(_ number: Bytes, at wall: WallTime) throws(Failure) -> Int64 {
        guard let number = number.integer() else { throw .notInteger }
        let (milliseconds, isTooFar) = number.multipliedReportingOverflow(by: self.isInSeconds ? 1_000 : 1)
        guard !isTooFar else { throw .invalid }
        if self.isAbsolute { return milliseconds }
        let (moment, overflow) = milliseconds.addingReportingOverflow(Int64(clamping: wall.milliseconds))
        guard !overflow else { throw .invalid }
        return moment
    }

    /// As above, where only a positive number will do: in SET and its like.
    func positiveMilliseconds(_ number: Bytes, at wall: WallTime) throws(Failure) -> Int64 {
        if let number = number.integer(), number <= 0 { throw .invalid }
        return try self.milliseconds(number, at: wall)
    }
}

/// The options of SET and, a part of them, of GETEX.
struct StringOptions {
    enum Condition { case absent, present }

    enum Expiry {
        case given(Bytes, DeadlineForm)
        /// KEEPTTL.
        case keep
        case persist
    }

    var condition: Condition?
    var answersOld = false
    var expiry: Expiry?

    /// Nil where the arguments contradict each other, or are none of the command's.
    init?(_ arguments: Arguments, ofGetex isGetex: Bool) {
        var index = isGetex ? 2 : 3
        while index < arguments.count {
            let word = arguments[index]
            if let form = DeadlineForm(option: word) {
                // The same option again takes the place of the first, as in Redis.
                guard index + 1 < arguments.count, self.accepts(form) else { return nil }
                index += 1
                self.expiry = .given(arguments[index], form)
            } else if !(isGetex ? self.takeForGetex(word) : self.takeForSet(word)) {
                return nil
            }
            index += 1
        }
    }

    private func accepts(_ form: DeadlineForm) -> Bool {
        switch self.expiry {
        case nil: true
        case .given(_, let other): other == form
        case .keep, .persist: false
        }
    }

    private mutating func takeForSet(_ word: Bytes) -> Bool {
        if word.equalsIgnoringCase("NX"), self.condition != .present {
            self.condition = .absent
        } else if word.equalsIgnoringCase("XX"), self.condition != .absent {
            self.condition = .present
        } else if word.equalsIgnoringCase("GET") {
            self.answersOld = true
        } else if word.equalsIgnoringCase("KEEPTTL"), self.expiry == nil || self.keepsExpiry {
            self.expiry = .keep
        } else {
            return false
        }
        return true
    }

    private mutating func takeForGetex(_ word: Bytes) -> Bool {
        guard word.equalsIgnoringCase("PERSIST") else { return false }
        if case .given = self.expiry { return false }
        self.expiry = .persist
        return true
    }

    var keepsExpiry: Bool { if case .keep = self.expiry { true } else { false } }

    /// The deadline that was given, in milliseconds since 1970; nil where none was.
    func deadline(at wall: WallTime) throws(DeadlineForm.Failure) -> Int64? {
        guard case .given(let number, let form) = self.expiry else { return nil }
        return try form.positiveMilliseconds(number, at: wall)
    }
}

/// The options of VSET: a context, and when the value expires.
struct SiblingOptions {
    private(set) var context: Bytes?
    private var expiry: (number: Bytes, form: DeadlineForm)?

    /// Nil where the arguments contradict each other, or are none of the command's.
    init?(_ arguments: Arguments) {
        for index in stride(from: 3, to: arguments.count, by: 2) {
            guard index + 1 < arguments.count else { return nil }
            let (word, value) = (arguments[index], arguments[index + 1])
            if word.equalsIgnoringCase("CONTEXT"), self.context == nil {
                self.context = value
            } else if let form = DeadlineForm(option: word), self.expiry.map({ $0.form == form }) ?? true {
                self.expiry = (value, form)
            } else {
                return nil
            }
        }
    }

    /// As of `StringOptions`.
    func deadline(at wall: WallTime) throws(DeadlineForm.Failure) -> Int64? {
        guard let expiry else { return nil }
        return try expiry.form.positiveMilliseconds(expiry.number, at: wall)
    }
}

extension DeadlineForm {
    fileprivate init?(option word: Bytes) {
        if word.equalsIgnoringCase("EX") {
            self = .ex
        } else if word.equalsIgnoringCase("PX") {
            self = .px
        } else if word.equalsIgnoringCase("EXAT") {
            self = .exat
        } else if word.equalsIgnoringCase("PXAT") {
            self = .pxat
        } else {
            return nil
        }
    }
}

/// The options of EXPIRE and its like.
struct ExpireCondition: OptionSet {
    let rawValue: Int

    /// NX: only where the key never expires yet.
    static let never = ExpireCondition(rawValue: 1)
    /// XX: only where it does.
    static let some = ExpireCondition(rawValue: 2)
    /// GT: only to a later moment. Never is the latest.
    static let later = ExpireCondition(rawValue: 4)
    /// LT: only to an earlier one.
    static let earlier = ExpireCondition(rawValue: 8)

    /// - Parameter current: when the key expires now; 0 for never.
    func isMet(by deadline: Int64, current: UInt64) -> Bool {
        if self.contains(.never), current != 0 { return false }
        if self.contains(.some), current == 0 { return false }
        if self.contains(.later), current == 0 || deadline <= Int64(clamping: current) { return false }
        if self.contains(.earlier), current != 0, deadline >= Int64(clamping: current) { return false }
        return true
    }
}
