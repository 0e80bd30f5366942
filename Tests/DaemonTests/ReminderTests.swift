// How often something that lasts is said again.
import Testing
import Worker

@Suite struct ReminderTests {
    /// A day of something that is looked at five times a second: said at once, then after 30 s, 90 s, 210 s, … and at last once an hour.
    @Test func itIsSaidLessAndLessOften() {
        var reminder = Reminder()
        let said = stride(from: Int64(0), to: 86_400_000, by: 200).filter { reminder.isDue(at: $0) }
        #expect(said.prefix(5) == [0, 30_000, 90_000, 210_000, 450_000])
        #expect(said.count == 30)
        #expect(said[29] - said[28] == 3_600_000)
        // It is over once, and the next time begins anew.
        let first = (reminder.end(), reminder.end())
        #expect(first == (true, false))
        let again = (reminder.isDue(at: 5), reminder.isDue(at: 29_000), reminder.isDue(at: 30_005))
        #expect(again == (true, false, true))
    }
}
