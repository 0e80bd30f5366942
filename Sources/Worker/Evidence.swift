// What is kept when a batch that was applied again came out differently: the one thing that must never happen.
import Codec
import Engine
import Model

enum Evidence {
    /// Writes both records down beside the snapshots, and returns the sentence for people.
    static func keep(
        expected: JournalRecord, made: JournalRecord, _ shard: Shard, _ vault: any SnapshotVault, group: String
    ) -> String {
        let text = """
            shard \(expected.shard), batch \(expected.batch), genesis \(expected.genesis.id)
            committed: \(expected)
            made now:  \(made)
            state now: \(shard.engine.stateDigest())
            effects made now follow, as bytes:

            """
        let bytes = Array(text.utf8) + shard.pending.effects.array
        var sentence =
            "shard \(expected.shard): batch \(expected.batch) was applied again and differs from what was committed (effects "
            + "\(made.effects), committed \(expected.effects)). This is a defect of rfmd; nothing was sent. Keep the snapshots and report it"
        do throws(SnapshotFailure) {
            let path = try vault.keepEvidence(group: group, shard: expected.shard, batch: expected.batch, bytes: bytes)
            sentence += " with \(path)"
        } catch { sentence += " (the evidence could not be written: \(error.text))" }
        return sentence
    }
}
