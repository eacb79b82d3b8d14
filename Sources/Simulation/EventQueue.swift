import Basics
import HeapModule

/// What will happen in a simulated world, in order of time; what happens at one moment, in the order in which it was planned.
struct EventQueue<Event> {
    private struct Planned: Comparable {
        let at: Instant
        let order: UInt64
        let event: Event

        static func < (left: Self, right: Self) -> Bool { (left.at, left.order) < (right.at, right.order) }
        static func == (left: Self, right: Self) -> Bool { left.order == right.order }
    }

    private var heap = Heap<Planned>()
    private var order: UInt64 = 0

    mutating func add(_ event: Event, at instant: Instant) {
        self.order += 1
        self.heap.insert(Planned(at: instant, order: self.order, event: event))
    }

    /// When the next event is due.
    var next: Instant? { self.heap.min?.at }

    mutating func removeFirst() -> (at: Instant, event: Event)? { self.heap.popMin().map { ($0.at, $0.event) } }
}
