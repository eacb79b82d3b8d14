import Basics
import Storage

/// What goes wrong on a simulated disk, decided before the run.
package struct DiskFaults: Equatable, Sendable {
    /// One call that fails.
    package struct Planned: Equatable, Sendable {
        package let operation: DiskError.Operation
        /// Which call of that operation, the first being 1.
        package let call: Int
        package let code: Int32
        package let isFull: Bool

        package init(_ operation: DiskError.Operation, call: Int, code: Int32 = SystemCode.inputOutput, isFull: Bool = false) {
            (self.operation, self.call, self.code, self.isFull) = (operation, call, code, isFull)
        }
    }

    /// The bytes by which files may still grow; nil where there is no limit. Removing and truncating give bytes back.
    package var freeBytes: Int?
    package var planned: [Planned]
    /// How often each operation has been called, in the order of their cases.
    private var calls = [Int](repeating: 0, count: DiskError.Operation.allCases.count)

    package init(freeBytes: Int? = nil, planned: [Planned] = []) {
        (self.freeBytes, self.planned) = (freeBytes, planned)
    }

    /// Draws up to `count` failing writes and syncs among the first `calls` of each.
    package static func drawn(count: Int, amongCalls calls: Int, using generator: inout some RandomNumberGenerator) -> DiskFaults {
        DiskFaults(
            planned: (0..<count).map { _ in
                Planned(Bool.random(using: &generator) ? .write : .sync, call: Int.random(in: 1...calls, using: &generator))
            })
    }

    /// How often an operation has been called.
    package func callCount(of operation: DiskError.Operation) -> Int { self.calls[Self.index(of: operation)] }

    private static func index(of operation: DiskError.Operation) -> Int { DiskError.Operation.allCases.firstIndex(of: operation)! }

    /// Counts a call, and fails if that was planned.
    mutating func meet(_ operation: DiskError.Operation, _ name: String) throws(DiskError) {
        let index = Self.index(of: operation)
        self.calls[index] += 1
        let call = self.calls[index]
        guard let fault = self.planned.first(where: { $0.operation == operation && $0.call == call }) else { return }
        throw DiskError(operation: operation, name: name, code: fault.code, isFull: fault.isFull)
    }

    /// Takes up to `byteCount` bytes of what is free.
    mutating func take(_ byteCount: Int) -> Int {
        guard let free = self.freeBytes else { return byteCount }
        let granted = min(free, byteCount)
        self.freeBytes = free - granted
        return granted
    }

    mutating func release(_ byteCount: Int) {
        if let free = self.freeBytes { self.freeBytes = free + byteCount }
    }
}

/// The system's codes that a simulated disk reports, as Linux numbers them.
package enum SystemCode {
    package static let notFound: Int32 = 2
    package static let inputOutput: Int32 = 5
    package static let exists: Int32 = 17
    package static let noSpace: Int32 = 28
}
