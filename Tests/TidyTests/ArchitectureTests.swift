// docs/ARCHITECTURE.md: who may import whom, as Package.swift allows and the files do; and names that exist.
import TestSupport
import Testing

@Suite struct ImportTests {
    private struct Row {
        var libraries: Set<String>
        var system: Set<String>
    }

    /// The table, by target.
    private static func table() throws -> [String: Row] {
        var rows: [String: Row] = [:]
        let lines = try Repository.text("docs/ARCHITECTURE.md").split(separator: "\n")
        guard let head = lines.firstIndex(where: { $0.hasPrefix("| target |") }) else { return [:] }
        for line in lines[(head + 2)...].prefix(while: { $0.hasPrefix("|") }) {
            let cells = line.split(separator: "|", omittingEmptySubsequences: false).map(names)
            guard let target = cells[1].first else { continue }
            rows[target] = Row(libraries: Set(cells[2]), system: Set(cells[3]))
        }
        return rows
    }

    private static func names(_ cell: Substring) -> [String] { cell.matches(of: /\w+/).map { String($0.0) } }

    @Test func thePackageAllowsWhatTheTableSays() throws {
        let table = try ImportTests.table()
        let package = try Repository.text("Package.swift")
        let libraries = package.matches(of: /library\(\s*"(\w+)",\s*\[([^\]]*)\]/)
        #expect(libraries.count > 10)
        #expect(Set(libraries.map { String($0.1) }) == Set(table.keys), "the table has a row for every library")
        for library in libraries {
            let allowed = Set(ImportTests.names(library.2))
            #expect(table[String(library.1)]?.libraries == allowed, "\(library.1): Package.swift and the table differ")
        }
    }

    @Test func everyFileImportsWhatItsTargetMay() throws {
        for (target, row) in try ImportTests.table() {
            var used: Set<String> = []
            for path in try Repository.files("Sources/\(target)", endings: [".swift"]) {
                for match in try Repository.text(path).matches(of: /(?m)^\s*(?:@\w+ |package |private )?import (\w+)/) {
                    let name = String(match.1)
                    used.insert(name)
                    #expect(row.libraries.contains(name) || row.system.contains(name), "\(path) imports \(name)")
                }
            }
            #expect(row.libraries.union(row.system).subtracting(used) == [], "\(target) needs less than it may import")
        }
    }
}

@Suite struct ArchitectureTests {
    /// Names of types, functions and files that the page names are in the sources.
    @Test func everyNameThatIsNamedExists() throws {
        let paths = try Repository.files("Sources", endings: [".swift"])
        let files = Set(paths.map { String($0.dropFirst("Sources/".count).dropLast(".swift".count)) })
        var words: Set<Substring> = []
        for path in paths {
            words.formUnion(try Repository.text(path).split { !($0.isLetter || $0.isNumber || $0 == "_") })
        }
        var count = 0
        for match in try Repository.text("docs/ARCHITECTURE.md").matches(of: /`([A-Za-z][^`\n]*)`/) {
            let span = match.1
            if files.contains(where: { $0 == span || $0.hasSuffix("/\(span)") }) { continue }
            for word in span.split(whereSeparator: { !($0.isLetter || $0.isNumber || $0 == "_") }) {
                count += 1
                let isFolder = files.contains { $0.hasPrefix("\(word)/") }
                let isFile = files.contains { $0.hasSuffix("/\(word)") || $0.hasSuffix("+\(word)") }
                #expect(words.contains(word) || isFolder || isFile || word == "swift", "docs/ARCHITECTURE.md: \(span)")
            }
        }
        #expect(count > 60)
    }
}
