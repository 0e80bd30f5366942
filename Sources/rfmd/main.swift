// The binary: everything is in Daemon, so that tests can call it.
import Daemon

rfmdMain()
