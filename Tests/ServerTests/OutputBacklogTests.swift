import Testing

@testable import Server

@Suite struct OutputBacklogTests {
    @Test func `a buffer counts whole until its last byte is taken`() {
        var backlog = OutputBacklog()
        backlog.wrote(byteCount: 1_000, allocatedBytes: 1_024)
        backlog.wrote(byteCount: 10, allocatedBytes: 16)
        backlog.reduce(to: 11)
        #expect((backlog.byteCount, backlog.allocatedBytes) == (11, 1_040))
        backlog.reduce(to: 10)
        #expect((backlog.byteCount, backlog.allocatedBytes) == (10, 16))
        backlog.reduce(to: 0)
        #expect((backlog.byteCount, backlog.allocatedBytes) == (0, 0))
    }

    @Test func `what is written later counts on top of what is left`() {
        var backlog = OutputBacklog()
        backlog.wrote(byteCount: 100, allocatedBytes: 128)
        backlog.reduce(to: 40)
        backlog.wrote(byteCount: 100, allocatedBytes: 128)
        #expect((backlog.byteCount, backlog.allocatedBytes) == (140, 256))
        backlog.reduce(to: 101)
        #expect((backlog.byteCount, backlog.allocatedBytes) == (101, 256))
        backlog.reduce(to: 100)
        #expect((backlog.byteCount, backlog.allocatedBytes) == (100, 128))
    }

    @Test func `empty buffers go with what is before them`() {
        var backlog = OutputBacklog()
        backlog.wrote(byteCount: 0, allocatedBytes: 0)
        backlog.wrote(byteCount: 5, allocatedBytes: 8)
        backlog.reduce(to: 0)
        #expect((backlog.byteCount, backlog.allocatedBytes) == (0, 0))
    }
}
