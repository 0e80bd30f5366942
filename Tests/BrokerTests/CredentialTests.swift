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
                        ("security.protocol", "sasl_plaintext"), ("sasl.mechanism", "PLAIN"),
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
            let cluster = try TestCluster(brokers: 1, password: "first-one")
            try cluster.start()
            let scene = try Scene("password", cluster: cluster)
            var generator = EventGenerator(seed: 45, customers: 100, step: 240_000)

            // It waits, says why, and is let in as soon as its password is the user's.
            let early = try start(scene, password: try secret(scene, "second-one"))
            try early.awaitLog("no broker can be reached")
            try early.awaitLog("uthentication failed")
            try early.awaitNow("waiting for the brokers")
            #expect(!early.isReady)
            try cluster.setPassword("second-one")
            try early.awaitReady()
            let collector = try JournalCollector(scene)

            // Each of its connections ends at least twice, and is made anew.
            let producer = try scene.producer()
            let began = Date()
            while Date().timeIntervalSince(began) < 8 {
                try producer.send((0..<100).map { _ in generator.next() }, to: scene.inputs[0])
                try scene.awaitDrained(early)
            }
            try early.awaitNow("running; 2 shards")

            try cluster.setPassword("third-one")
            try early.awaitNow("waiting for a broker", seconds: 90)
            try wait(for: "a status that says why", context: early.log) {
                early.status.contains("uthentication failed")
            }
            early.signal(SIGTERM)
            #expect(try early.waitForEnd() == 0)
            let late = try start(scene, password: try secret(scene, "third-one")).awaitReady()
            try producer.send((0..<100).map { _ in generator.next() }, to: scene.inputs[0])
            try scene.awaitDrained(late)
            try late.stop()
            try Auditor(scene).run(collector)
            for log in [early.log, late.log] { #expect(!log.contains("-one"), "\(log)") }
        }
    }
}
