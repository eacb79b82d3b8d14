import Foundation
import Storage

extension NodeProcess {
    /// Makes the base of a stopped node look as the node has left it, whatever was done to it since: what rots on a disk changes no file's dates.
    package func forgeOrderlyStop() throws {
        let text = try String(contentsOfFile: "\(self.data)/\(CleanStop.fileName)", encoding: .utf8)
        try StoreFolder(path: self.data).leaveCleanStop(CleanStop(text: text)?.digest)
    }
}
