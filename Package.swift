// swift-tools-version: 6.2
// The targets of rfmd and who may import whom (docs/ARCHITECTURE.md draws the same graph).
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    // A hot path crosses targets: docs/decisions/0003-inlining-across-targets.md.
    .unsafeFlags(["-cross-module-optimization", "-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]

func library(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(
        name: name, dependencies: dependencies, exclude: fixtures[name] ?? [], swiftSettings: strict)
}

// Folders of test data, read by path and not compiled.
let fixtures: [String: [String]] = [
    "BrokerTests": ["Preload"], "DaemonTests": ["Preload"], "EngineTests": ["Scripts"], "SchemaTests": ["validate.py"],
    "SettingsTests": ["Fixtures"],
]

let package = Package(
    name: "rfmd",
    targets: [
        .systemLibrary(name: "CRDKafka", pkgConfig: "rdkafka", providers: [.apt(["librdkafka-dev"])]),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "CSystemd", pkgConfig: "libsystemd", providers: [.apt(["libsystemd-dev"])]),
        .systemLibrary(name: "CGetopt"),
        .systemLibrary(name: "CMemory"),
        .systemLibrary(name: "CThread"),
        .target(name: "CFiber", cSettings: [.unsafeFlags(["-O2", "-Wall", "-Wextra", "-Werror"])]),
        .target(
            name: "CSimdJSON",
            cxxSettings: [.unsafeFlags(["-O2", "-Wall", "-Wextra", "-Werror"])],
            linkerSettings: [.linkedLibrary("simdjson")]),

        library("Model", ["CXXHash"]),
        library("Rules", ["Model"]),
        library("Engine", ["Model", "Rules", "CXXHash", "CMemory"]),
        library("Codec", ["Model", "Rules", "CSimdJSON"]),
        library("Worker", ["CMemory", "CThread", "Model", "Rules", "Engine", "Codec"]),
        library("KafkaTransport", ["CRDKafka", "Model", "Worker"]),
        library("SnapshotStore", ["CZstd", "Model", "Worker"]),
        library("Telemetry", ["CSystemd", "Model"]),
        library("Settings", ["CYAML", "Model"]),
        library("Options", ["CGetopt", "Model"]),
        library("Demo", ["CRDKafka", "Model"]),
        library(
            "Bench",
            ["CMemory", "CRDKafka", "Model", "Rules", "Engine", "Codec", "Worker", "KafkaTransport", "SnapshotStore"]),
        library(
            "Daemon",
            [
                "Model", "Rules", "Engine", "Codec", "Worker", "KafkaTransport", "SnapshotStore", "Telemetry",
                "Settings", "Options", "Demo", "Bench",
            ]),
        .executableTarget(name: "rfmd", dependencies: ["Daemon"], swiftSettings: strict),

        // Not shipped: the whole daemon but its ports' real sides, under faults (docs/simulation.md).
        library("Simulator", ["CFiber", "Model", "Rules", "Engine", "Codec", "Worker", "SnapshotStore"]),
        .executableTarget(name: "rfmd-simulate", dependencies: ["Simulator"], swiftSettings: strict),

        .target(name: "TestSupport", dependencies: ["Model"], path: "Tests/TestSupport", swiftSettings: strict),
        // What the real ports and the simulated ones promise alike.
        .target(
            name: "PortContract", dependencies: ["Model", "Worker"], path: "Tests/PortContract", swiftSettings: strict),
        // Rules and customers computed the slow, obvious way.
        .target(
            name: "SlowRules", dependencies: ["Model", "Rules", "TestSupport"], path: "Tests/SlowRules",
            swiftSettings: strict),
        // What holds for bytes of any kind, and what makes them up; `make fuzz` lets libFuzzer do that (docs/guarantees.md).
        .target(
            name: "Fuzzing",
            dependencies: [
                "Model", "Rules", "Engine", "Codec", "Worker", "SnapshotStore", "Settings", "Options", "Daemon",
                "SlowRules", "TestSupport",
            ], path: "Tests/Fuzzing", swiftSettings: strict),
        .target(name: "CFuzzer", path: "Tests/CFuzzer"),
        .executableTarget(
            name: "rfmd-fuzz", dependencies: ["CFuzzer", "Fuzzing"], path: "Tests/rfmd-fuzz", swiftSettings: strict),
        tests("FuzzingTests", ["Fuzzing", "TestSupport"]),
        tests("ModelTests", ["Model", "TestSupport"]),
        tests(
            "SnapshotStoreTests",
            ["SnapshotStore", "CZstd", "Model", "Rules", "Engine", "Codec", "Worker", "PortContract", "TestSupport"]),
        tests("TelemetryTests", ["Telemetry"]),
        tests("SystemdTests", ["TestSupport"]),
        tests("DemoTests", ["CRDKafka", "Demo", "TestSupport"]),
        tests("SchemaTests", ["Codec", "TestSupport"]),
        tests("RulesTests", ["Rules", "Model", "SlowRules", "TestSupport"]),
        tests("EngineTests", ["CMemory", "Engine", "Rules", "Model", "TestSupport"]),
        tests("CodecTests", ["Codec", "Rules", "Model", "TestSupport"]),
        tests("WorkerTests", ["Bench", "Worker", "Codec", "Rules", "Model", "TestSupport"]),
        tests("SettingsTests", ["CRDKafka", "Settings", "Daemon", "Codec", "Rules", "Model", "TestSupport"]),
        tests("DaemonTests", ["Codec", "Daemon", "Model", "Worker", "TestSupport"]),
        tests("OptionsTests", ["Options", "TestSupport"]),
        tests("TidyTests", ["Daemon", "Settings", "Codec", "Rules", "Model", "TestSupport"]),
        tests("OracleTests", ["TestSupport"]),
        tests(
            "SimulatorTests",
            ["Simulator", "rfmd-simulate", "Model", "Worker", "SnapshotStore", "PortContract", "TestSupport"]),
        tests(
            "BrokerTests",
            [
                "CRDKafka", "Model", "Rules", "Engine", "Codec", "Worker", "KafkaTransport", "PortContract",
                "TestSupport",
            ]),
    ],
    cxxLanguageStandard: .cxx17
)
