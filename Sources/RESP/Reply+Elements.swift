extension Reply {
    /// The elements of an aggregate, each read from the bytes that came when it is looked at: as values in memory they would take ten times those
    /// bytes.
    ///
    /// - Complexity: to find the element of an index takes as long as what lies before it; whoever wants all goes through them in order.
    package struct Elements: Sendable {
        package let count: Int
        /// Checked by a parser; aggregates within share them.
        private let bytes: ArraySlice<UInt8>

        init(checked bytes: ArraySlice<UInt8>, count: Int) { (self.bytes, self.count) = (bytes, count) }

        fileprivate var detached: Elements { Elements(checked: Array(self.bytes)[...], count: self.count) }

        package var isEmpty: Bool { self.count == 0 }
        package var first: Reply? { self.isEmpty ? nil : self[0] }
        package var last: Reply? { self.isEmpty ? nil : self[self.count - 1] }

        package subscript(index: Int) -> Reply {
            precondition((0..<self.count).contains(index), "element \(index) of \(self.count)")
            var rest = self.bytes
            Reply.skip(index, &rest)
            return Reply(taking: &rest)
        }
    }

    /// The keys and values of a map.
    package struct Pairs: Equatable, Sendable {
        /// Each key, and behind it its value.
        fileprivate let elements: Elements

        init(_ elements: Elements) { self.elements = elements }

        package var count: Int { self.elements.count / 2 }

        package subscript(index: Int) -> Pair { Pair(self.elements[2 * index], self.elements[2 * index + 1]) }
    }
}

extension Reply.Elements: Sequence {
    package struct Iterator: IteratorProtocol {
        fileprivate var rest: ArraySlice<UInt8>
        fileprivate var count: Int

        package mutating func next() -> Reply? {
            guard self.count > 0 else { return nil }
            self.count -= 1
            return Reply(taking: &self.rest)
        }
    }

    package func makeIterator() -> Iterator { Iterator(rest: self.bytes, count: self.count) }

    package var underestimatedCount: Int { self.count }
}

extension Reply.Elements: Equatable {
    package static func == (left: Self, right: Self) -> Bool { left.count == right.count && left.elementsEqual(right) }
}

extension Reply.Elements: CustomStringConvertible {
    package var description: String { "\(Array(self))" }
}

extension Reply.Pairs: Sequence {
    package struct Iterator: IteratorProtocol {
        fileprivate var elements: Reply.Elements.Iterator

        package mutating func next() -> Reply.Pair? {
            guard let key = self.elements.next(), let value = self.elements.next() else { return nil }
            return Reply.Pair(key, value)
        }
    }

    package func makeIterator() -> Iterator { Iterator(elements: self.elements.makeIterator()) }

    package var underestimatedCount: Int { self.count }
}

extension Reply.Pairs: CustomStringConvertible {
    package var description: String { "\(Array(self))" }
}

// MARK: Reading

extension Reply {
    /// Removes a reply from the front.
    ///
    /// - Precondition: a parser has checked the bytes, and there is one.
    init(taking bytes: inout ArraySlice<UInt8>) {
        while true {
            let line = ReplyLine(takenFrom: &bytes)
            switch line.checked {
            case .element(let reply):
                self = reply
                return
            case .string(let count):
                self = line.string(bytes.prefix(count))
                bytes = bytes.dropFirst(count + 2)
                return
            case .elements(let count):
                let rest = bytes
                Self.skip(count, &bytes)
                guard let whole = line.aggregate(Elements(checked: rest[..<bytes.startIndex], count: count)) else { continue }
                self = whole
                return
            }
        }
    }

    /// The same, which keeps no more bytes alive than its own: not all that arrived with it.
    var detached: Reply {
        switch self {
        case .array(let elements): .array(elements.detached)
        case .map(let pairs): .map(Pairs(pairs.elements.detached))
        case .set(let elements): .set(elements.detached)
        case .push(let elements): .push(elements.detached)
        default: self
        }
    }

    /// Removes so many replies from the front, and the attributes before them.
    fileprivate static func skip(_ count: Int, _ bytes: inout ArraySlice<UInt8>) {
        var pending = count
        while pending > 0 {
            let line = ReplyLine(takenFrom: &bytes)
            switch line.checked {
            case .element: pending -= 1
            case .string(let count):
                bytes = bytes.dropFirst(count + 2)
                pending -= 1
            case .elements(let count): pending += line.isAttribute ? count : count - 1
            }
        }
    }
}
