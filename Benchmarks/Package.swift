// swift-tools-version: 6.2
import PackageDescription

/// Micro-benchmarks, and raw LMDB beside them. A package of its own, so that nobody who builds Hearsay fetches the benchmark tool.
///
/// Everything in Hearsay has `package` access. `Modules` holds symbolic links to the root's modules, which makes them targets of this package,
/// so benchmarks reach them as the root's own targets do.
let benchmark = Target.Dependency.product(name: "Benchmark", package: "benchmark")
let plugin = Target.PluginUsage.plugin(name: "BenchmarkPlugin", package: "benchmark")

let package = Package(
    name: "hearsay-benchmarks",
    dependencies: [
        // No traits: its malloc interposer reads 0 on our machines.
        .package(url: "https://github.com/ordo-one/benchmark", exact: "1.38.1", traits: []),
        .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    ],
    targets: [
        .systemLibrary(name: "CLMDB", path: "Modules/CLMDB", pkgConfig: "lmdb", providers: [.apt(["liblmdb-dev"])]),
        .systemLibrary(name: "CXXHash", path: "Modules/CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
        .target(name: "Basics", path: "Modules/Basics"),
        .target(name: "Versioning", dependencies: ["Basics"], path: "Modules/Versioning"),
        .target(name: "Digests", dependencies: ["Basics", "CXXHash"], path: "Modules/Digests"),
        .target(name: "RESP", dependencies: ["Basics"], path: "Modules/RESP"),
        .target(
            name: "Storage",
            dependencies: ["Basics", "Versioning", "Digests", "CLMDB", .product(name: "DequeModule", package: "swift-collections")],
            path: "Modules/Storage"),
        // The tool runs the executables whose folder lies in one named Benchmarks, which is this package's own.
        .executableTarget(name: "RESPBenchmarks", dependencies: ["RESP", "Basics", benchmark], path: "RESPBenchmarks", plugins: [plugin]),
        .executableTarget(name: "DigestsBenchmarks", dependencies: ["Digests", "Basics", benchmark], path: "DigestsBenchmarks", plugins: [plugin]),
        .executableTarget(
            name: "StorageBenchmarks", dependencies: ["Storage", "Digests", "Versioning", "Basics", benchmark], path: "StorageBenchmarks",
            plugins: [plugin]),
        .executableTarget(
            name: "raw-lmdb",
            dependencies: ["Basics", "CLMDB", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            path: "Tools/raw-lmdb"),
    ],
    swiftLanguageModes: [.v6]
)
