// Passwords: a wrong one is told and tried again, connections that end are made anew, and a new password needs a new start and nothing else.
import Foundation
import TestSupport
import Testing
import Worker

extension BrokerTests {
    @Suite struct Credentials {
        private func start(_ scene: Scene, password file: String) throws -> DaemonProcess {
            try DaemonProcess(
                scene.yaml {
                    $0.bootstrap = scene.cluster.guardedBootstrap
                    $0.properties += [
                        ("security.protocol", "sasl_plaintext"), ("sasl.mechanism", "SCRAM-SHA-256"),
                        ("sasl.username", "rfmd"), ("sasl.password", "@"),
                    ]
                }.replacing("\"@\"", with: "{ file: \(file) }"))
        }

        private func secret(_ scene: Scene, _ password: String) throws -> String {
            let path = try scene.folder.write(password + "\n", to: "password-\(UUID().uuidString)")
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
            return path
        }

        @Test func passwordsAreAskedForAgainAndAgain() throws {
            let cluster = try TestCluster(brokers: 1, asksForPasswords: true)
            try cluster.start()
            try cluster.setPassword("first-one", of: "rfmd")
            let scene = try Scene("scram", cluster: cluster)
            let load = Load(
                EventGenerator(seed: 45, customers: 1_000, step: 240_000), try scene.producer(), topics: scene.inputs,
                count: 400_000, perSecond: 500)

            // It waits, says why, and is let in as soon as its password is the user's.
            let early = try start(scene, password: try secret(scene, "second-one"))
            try early.awaitNow("waiting for the brokers")
            try early.awaitLog("no broker can be reached")
            try early.awaitLog("uthentication failed")
            #expect(!early.isReady)
            try cluster.setPassword("second-one", of: "rfmd")
            try early.awaitReady()
            let collector = try JournalCollector(scene)

            // Each of its connections has ended by then, and was made anew.
            let batches = try collector.catchUp(scene).entries.values.map(\.count).reduce(0, +)
            try wait(for: "work that goes on", seconds: 30, context: early.log) {
                try collector.catchUp(scene).entries.values.map(\.count).reduce(0, +) > batches + 50
            }

            try cluster.setPassword("third-one", of: "rfmd")
            try early.awaitNow("waiting for a broker", seconds: 90)
            #expect(early.status.contains("uthentication failed"), "\(early.status)")
            early.signal(SIGTERM)
            #expect(try early.waitForEnd() == 0)
            let late = try start(scene, password: try secret(scene, "third-one")).awaitReady()
            try load.stop()
            try scene.awaitDrained(late)
            try late.stop()
            try Auditor(scene).run(collector)
            for log in [early.log, late.log] { #expect(!log.contains("-one"), "\(log)") }
        }
    }
}
