import Basics

/// What will happen in a simulated world, in order of time; what happens at one moment, in the order in which it was planned.
///
/// A binary heap of small numbers, with the events themselves at rest beside it: what an event holds is not moved until its time comes.
package struct EventQueue<Event> {
    private struct Planned {
        let at: UInt64
        let order: UInt64
        let slot: Int

        func precedes(_ other: Self) -> Bool { self.at != other.at ? self.at < other.at : self.order < other.order }
    }

    private var heap: [Planned] = []
    private var events: [Event?] = []
    private var freeSlots: [Int] = []
    private var order: UInt64 = 0

    package init() {}

    package mutating func add(_ event: Event, at instant: Instant) {
        self.order += 1
        let slot: Int
        if let free = self.freeSlots.popLast() {
            (slot, self.events[free]) = (free, event)
        } else {
            slot = self.events.count
            self.events.append(event)
        }
        self.heap.append(Planned(at: instant.nanoseconds, order: self.order, slot: slot))
        self.rise(from: self.heap.count - 1)
    }

    /// When the next event is due.
    package var next: Instant? { self.heap.first.map { Instant(nanoseconds: $0.at) } }

    package mutating func removeFirst() -> (at: Instant, event: Event)? {
        guard let first = self.heap.first else { return nil }
        let last = self.heap.removeLast()
        if !self.heap.isEmpty { self.sink(last) }
        let event = self.events[first.slot].take()!
        self.freeSlots.append(first.slot)
        return (Instant(nanoseconds: first.at), event)
    }

    private mutating func rise(from start: Int) {
        // As one span: otherwise each change looks anew whether the array is shared.
        var heap = self.heap.mutableSpan
        let planned = heap[start]
        var index = start
        while index > 0 {
            let parent = (index - 1) / 2
            guard planned.precedes(heap[parent]) else { break }
            heap[index] = heap[parent]
            index = parent
        }
        heap[index] = planned
    }

    /// Puts what was last in the place of the first, and down from there.
    ///
    /// All the way down and up again from there: what was last belongs near the end nearly always, so that it need not be compared at each level.
    private mutating func sink(_ planned: Planned) {
        var heap = self.heap.mutableSpan
        var index = 0
        while 2 * index + 2 < heap.count {
            let child = 2 * index + (heap[2 * index + 2].precedes(heap[2 * index + 1]) ? 2 : 1)
            heap[index] = heap[child]
            index = child
        }
        if 2 * index + 1 < heap.count {
            heap[index] = heap[2 * index + 1]
            index = 2 * index + 1
        }
        heap[index] = planned
        self.rise(from: index)
    }
}
