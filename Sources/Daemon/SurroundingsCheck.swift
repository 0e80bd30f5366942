// What a configuration asks of the machine and of librdkafka: looked at before anything is made, and without writing.
import Glibc
import KafkaTransport
import Settings

struct SurroundingsCheck {
    let problems: Problems

    /// Properties whose values are files, or folders, that librdkafka reads.
    private static let files = [
        "ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.keystore.location", "ssl.crl.location",
        "ssl.engine.location", "sasl.kerberos.keytab",
    ]

    func properties(_ settings: KafkaSettings) {
        let properties = settings.properties.map { ($0.name, $0.value.value) }
        var wrong = ClientOptions.problems(properties)
        for (name, value) in properties where SurroundingsCheck.files.contains(name) && value != "probe" {
            // Several certificate folders may be given (`;`).
            for path in value.split(separator: ";") where access(String(path), R_OK) != 0 {
                wrong.append((name, "cannot read '\(path)': \(String(cString: strerror(errno)))"))
            }
        }
        for (name, message) in wrong {
            guard let property = settings.properties.first(where: { $0.name == name }) else { continue }
            problems.add(property.value.place, "kafka.properties.\(name)", message)
        }
        // What fits each by itself may not fit together; a secret that could not be read was told.
        guard wrong.isEmpty, problems.list.isEmpty, let message = ClientOptions.trial(properties) else { return }
        let named = settings.properties.first { message.contains($0.name) } ?? settings.properties.first
        problems.add(named?.value.place ?? Place(line: 1, column: 1), "kafka.properties", message)
    }

    func folder(_ folder: Placed<String>) {
        var status = stat()
        guard stat(folder.value, &status) == 0, status.st_mode & S_IFMT != S_IFDIR else { return }
        problems.add(folder.place, "snapshots.folder", "'\(folder.value)' is no folder")
    }

    /// It may be another user who asks than the one who runs it.
    static func doubts(_ folder: Placed<String>) -> [(place: Place, key: String, message: String)] {
        var path = folder.value
        while path.count > 1 && access(path, F_OK) != 0 {
            path = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
            if path.isEmpty { path = "/" }
        }
        if access(path, W_OK | X_OK) == 0 { return [] }
        return [
            (
                folder.place, "snapshots.folder",
                "'\(path)' cannot be written by this user (\(String(cString: strerror(errno)))): who runs rfmd must be able to"
            )
        ]
    }
}
