// What text from outside may not bring to a terminal or into a line of the log.

extension Unicode.Scalar {
    /// It ends a line or steers a terminal (controls, formats such as a change of direction, separators of lines and paragraphs).
    package var steersTerminal: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }
}
