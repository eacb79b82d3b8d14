// swift-tools-version: 6.2
import PackageDescription

/// Without the run-time checks for overlapping accesses, which took 13% of the core loop's time under SETs. Debug builds, and so all
/// tests, keep them; they would find a fault of ours, never one that input can cause.
let hotPath: [SwiftSetting] = [
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
    // Simulated histories are what the tests take longest for: optimised, with all run-time checks, they take a third of the time.
    .unsafeFlags(["-O"], .when(configuration: .debug)),
]

/// Imports run one way: Basics ← Versioning, Digests, RESP ← AntiEntropy, Storage ← PeerWire ← Node ← Server, Simulation, Bench ← hearsay.
/// `deploy/test.sh` builds with `--explicit-target-dependency-import-check error`, so an arrow that is not drawn here does not compile.
let package = Package(
    name: "hearsay",
    products: [
        .executable(name: "hearsay", targets: ["hearsay"])
    ],
    dependencies: [
        // The event loop, sockets and byte buffers of the server and the load tool.
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        // Double-ended queues without a growing head.
        .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
        // Flags, help texts and shell completions.
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        // One reading of flags, environment and file, in that order. Without its file providers, which overlook unknown options.
        .package(url: "https://github.com/apple/swift-configuration", exact: "1.4.0", traits: []),
        // Structured logs.
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        // Start and graceful stop on signals.
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
        // Percentiles of the load tool.
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", exact: "0.2.0"),
    ],
    targets: [
        .systemLibrary(name: "CLMDB", pkgConfig: "lmdb", providers: [.apt(["liblmdb-dev"])]),
        .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
        .target(name: "Basics", swiftSettings: hotPath),
        .target(name: "Versioning", dependencies: ["Basics"], swiftSettings: hotPath),
        .target(name: "Digests", dependencies: ["Basics", "CXXHash"], swiftSettings: hotPath),
        .target(name: "Membership", dependencies: ["Basics", "Digests"], swiftSettings: hotPath),
        .target(name: "RESP", dependencies: ["Basics"], swiftSettings: hotPath),
        .target(
            name: "Storage",
            dependencies: [
                "Basics", "Versioning", "Digests", "CLMDB",
                .product(name: "DequeModule", package: "swift-collections"),
            ], swiftSettings: hotPath),
        .target(name: "AntiEntropy", dependencies: ["Basics", "Versioning", "Digests"], swiftSettings: hotPath),
        .target(name: "PeerWire", dependencies: ["Basics", "Versioning", "Digests", "AntiEntropy"], swiftSettings: hotPath),
        .target(
            name: "Node",
            dependencies: [
                "Basics", "Versioning", "Digests", "Membership", "RESP", "Storage", "AntiEntropy", "PeerWire",
                .product(name: "DequeModule", package: "swift-collections"),
            ], swiftSettings: hotPath),
        .target(
            name: "Server",
            dependencies: [
                "Basics", "Versioning", "Digests", "Membership", "RESP", "Storage", "Node",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ], swiftSettings: hotPath),
        .target(
            name: "Simulation",
            dependencies: ["Basics", "Versioning", "Digests", "Membership", "RESP", "Storage", "Node"], swiftSettings: hotPath),
        .target(
            name: "Bench",
            dependencies: [
                "Basics", "RESP", "PeerWire",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ]),
        .executableTarget(
            name: "hearsay",
            dependencies: [
                "Basics", "Membership", "RESP", "Storage", "Node", "Server", "Simulation", "Bench",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]),
        .target(name: "TestSupport", dependencies: ["Basics", "Versioning", "Digests", "Storage", "Simulation"], path: "Tests/TestSupport"),
        .target(
            name: "FuzzTargets",
            dependencies: ["Basics", "Versioning", "Digests", "Membership", "RESP", "AntiEntropy", "Storage", "PeerWire", "Node", "Simulation"],
            path: "Tests/FuzzTargets", swiftSettings: hotPath),
        .testTarget(name: "FuzzTests", dependencies: ["FuzzTargets", "Basics", "TestSupport"]),
        .testTarget(name: "BasicsTests", dependencies: ["Basics"]),
        .testTarget(name: "VersioningTests", dependencies: ["Versioning", "Basics", "TestSupport"]),
        .testTarget(name: "DigestsTests", dependencies: ["Digests", "Basics", "TestSupport"]),
        .testTarget(name: "AntiEntropyTests", dependencies: ["AntiEntropy", "Digests", "Versioning", "Basics", "TestSupport"]),
        .testTarget(name: "PeerWireTests", dependencies: ["PeerWire", "AntiEntropy", "Digests", "Versioning", "Basics", "TestSupport"]),
        .testTarget(name: "RESPTests", dependencies: ["RESP", "Basics", "TestSupport"]),
        .testTarget(name: "StorageTests", dependencies: ["Simulation", "Storage", "Digests", "Versioning", "Basics", "TestSupport"]),
        .testTarget(name: "NodeTests", dependencies: ["Simulation", "Node", "RESP", "Storage", "Digests", "Versioning", "Basics", "TestSupport"]),
        .testTarget(name: "MembershipTests", dependencies: ["Membership", "Digests", "Basics", "TestSupport"]),
        .testTarget(name: "SimulationTests", dependencies: ["Simulation", "Node", "Basics", "TestSupport"]),
        .testTarget(
            name: "ServerTests",
            dependencies: ["Server", "Node", "Storage", "Basics", "TestSupport", .product(name: "NIOCore", package: "swift-nio")]),
        .testTarget(
            name: "BenchTests",
            dependencies: [
                "Bench", "Basics", "AntiEntropy", "PeerWire", .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        .testTarget(
            name: "ClusterTests", dependencies: ["Simulation", "TestSupport", "Basics", "hearsay"],
            exclude: ["Clock", "PowerCut", "redis_py_checks.py"]),
    ],
    swiftLanguageModes: [.v6]
)

// The programs of `deploy/fuzz.sh`. libFuzzer brings their `main`, so without `--sanitize fuzzer` they would not link: only that script's builds
// have them. A target's sources come from one folder, and each may use what is `package`, as no package beside this one could.
if Context.environment["HEARSAY_FUZZ"] != nil {
    for name in ["RESP", "PeerFrames", "Handshake", "LogRecords", "LMDBRecords"] {
        package.targets.append(
            .executableTarget(name: "Fuzz\(name)", dependencies: ["FuzzTargets"], path: "Tests/Fuzz", exclude: ["Corpus"], sources: ["\(name).swift"])
        )
    }
}
