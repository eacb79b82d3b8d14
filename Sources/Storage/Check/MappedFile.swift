import Glibc

/// A file's bytes, for reading. Where the disk fails under them the process dies by SIGBUS: for a process that may.
struct MappedFile: ~Copyable {
    let bytes: UnsafeRawBufferPointer

    init(path: String) throws(StoreError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Self.failed(.open, path) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Self.failed(.size, path) }
        guard status.st_size > 0 else {
            self.bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        let address = mmap(nil, Int(status.st_size), PROT_READ, MAP_PRIVATE, descriptor, 0)
        guard let address, address != MAP_FAILED else { throw Self.failed(.read, path) }
        self.bytes = UnsafeRawBufferPointer(start: address, count: Int(status.st_size))
    }

    deinit {
        if let address = self.bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: address), self.bytes.count) }
    }

    private static func failed(_ operation: DiskError.Operation, _ path: String) -> StoreError {
        .disk(DiskError(operation: operation, name: path, code: errno, isFull: false))
    }
}
