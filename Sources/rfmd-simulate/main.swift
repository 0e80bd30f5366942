// `make simulate`: runs seeds, and says which of them broke a promise.
import Glibc
import Simulator

Simulation.keepMemory()
let arguments = Array(CommandLine.arguments.dropFirst())
exit(SimulateCommand.run(arguments))
