// What files are called: a snapshot's name says what it is of, an unfinished one's whose it is.
import Model
import Worker

/// GROUP.GROUPDIGEST.TOPICSDIGEST.SHARD.BATCH.CHAIN.snapshot: of one shard and the same topics names sort by batch.
struct SnapshotName: Equatable {
    static let suffix = "snapshot"
    var group: String
    var topics: String
    var shard: Int32
    var batch: UInt64
    var chain: Digest

    init(_ identity: SnapshotIdentity) {
        group = SnapshotName.part(ofGroup: identity.group)
        let buffer = ByteBuffer()
        for topic in identity.topics { buffer.appendCounted(topic) }
        topics = Digest(of: buffer.bytes).short
        shard = identity.shard
        batch = identity.batch
        chain = identity.chain
    }

    /// nil for a file that is no snapshot.
    init?(_ file: String) {
        let parts = file.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 7, parts[6] == SnapshotName.suffix, let shard = Int32(parts[3]),
            let batch = UInt64(parts[4]),
            let chain = Digest(hex: parts[5])
        else { return nil }
        group = "\(parts[0]).\(parts[1])"
        topics = String(parts[2])
        self.shard = shard
        self.batch = batch
        self.chain = chain
        // Only the one way to write it counts, so that two files never have one meaning.
        guard text == file else { return nil }
    }

    var text: String {
        "\(group).\(topics).\(SnapshotName.padded(shard, 10)).\(SnapshotName.padded(batch, 20)).\(chain).\(SnapshotName.suffix)"
    }

    /// For people the beginning of the group's name as far as a file may have it; the digest behind it tells groups apart.
    static func part(ofGroup group: String) -> String {
        let readable = group.unicodeScalars.prefix(40).map { scalar -> Character in
            let isPlain = scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
            return isPlain || scalar == "-" || scalar == "_" ? Character(scalar) : "_"
        }
        return "\(String(readable)).\(Digest(of: Array(group.utf8)).short)"
    }

    private static func padded(_ number: some BinaryInteger, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

/// .rfmd-OWNER-PROCESS-NUMBER.tmp: hidden, and never taken for a snapshot.
struct TemporaryName: Equatable {
    /// Group and instance.
    var owner: String
    /// A random number of the process that writes it.
    var process: String
    var number: UInt64

    init(owner: String, process: String, number: UInt64) {
        self.owner = owner
        self.process = process
        self.number = number
    }

    static func owner(group: String, instance: String) -> String {
        let buffer = ByteBuffer()
        buffer.appendCounted(group)
        buffer.appendCounted(instance)
        return Digest(of: buffer.bytes).short
    }

    init?(_ file: String) {
        guard file.hasPrefix(".rfmd-"), file.hasSuffix(".tmp") else { return nil }
        let parts = file.dropFirst(6).dropLast(4).split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, let number = UInt64(parts[2]) else { return nil }
        self.init(owner: String(parts[0]), process: String(parts[1]), number: number)
    }

    var text: String { ".rfmd-\(owner)-\(process)-\(number).tmp" }
}
