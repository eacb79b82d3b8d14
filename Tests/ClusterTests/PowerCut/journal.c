// A library to preload into a node: it writes down, in order, every change that the node makes to files and names, every sync, and
// every byte that it sends to a client. power_cut.py builds from that what a power cut at any moment may leave on the disk.
//
//     cc -shared -fPIC -O1 -o journal.so journal.c -lpthread
//     LD_PRELOAD=journal.so POWER_CUT_JOURNAL=FILE hearsay node ...
//
// A change is made and written down under one lock, so the journal's order is the order of the changes. A sync, which takes long, is
// not: it is written down when it begins and when it has ended, and covers what was written down before it began. The node learns of
// an end only afterwards, so a client's answer that depends on a sync stands behind it. Writes through a descriptor with O_DSYNC are
// written down before they are made and, as durable, after.
//
// What the journal cannot express, such as a write that fails, ends the process: such a journal would prove nothing.
//
// Linux only. The calls are made with syscall(), so there is no look-up of the functions that these ones stand before.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

// The numbers are known to disk.py.
enum Kind { CREATE = 1, MAKE_FOLDER, UNLINK, RENAME, WRITE, TRUNCATE, SYNC_BEGUN, SYNC_ENDED, WRITE_DURABLE, SENT };

// Before each entry's bytes. What the two numbers are is said where each kind is written.
struct Header {
    uint32_t kind;
    uint32_t byteCount;
    uint64_t first, second;
};

// The most pieces of one write, and the longest name, both beyond what the system takes.
enum { MAXIMUM_PIECES = 1024, MAXIMUM_PATH = PATH_MAX };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int journal = -1;
static uint64_t entryCount;

static void fail(const char *what) {
    fprintf(stderr, "journal.so: %s: %s\n", what, strerror(errno));
    abort();
}

__attribute__((constructor)) static void openJournal(void) {
    const char *path = getenv("POWER_CUT_JOURNAL");
    if (path == NULL) return;
    journal = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (journal < 0) fail(path);
}

// Writes an entry with the first `byteCount` bytes of some pieces, and returns its number. The caller holds the lock.
static uint64_t note(enum Kind kind, uint64_t first, uint64_t second, const struct iovec *pieces, int count, size_t byteCount) {
    struct Header header = {kind, (uint32_t)byteCount, first, second};
    struct iovec parts[MAXIMUM_PIECES + 1] = {{&header, sizeof header}};
    size_t total = sizeof header;
    int used = 1;
    for (int index = 0; index < count && byteCount > 0; index += 1) {
        size_t taken = pieces[index].iov_len < byteCount ? pieces[index].iov_len : byteCount;
        if (used > MAXIMUM_PIECES - 1) fail("too many pieces");
        parts[used] = (struct iovec){pieces[index].iov_base, taken};
        used += 1;
        total += taken;
        byteCount -= taken;
    }
    if (syscall(SYS_writev, journal, parts, used) != (ssize_t)total) fail("the journal cannot be written");
    entryCount += 1;
    return entryCount - 1;
}

// MARK: Writes

static size_t sum(const struct iovec *pieces, int count) {
    size_t total = 0;
    for (int index = 0; index < count; index += 1) total += pieces[index].iov_len;
    return total;
}

// A negative offset stands for the descriptor's own position.
static ssize_t put(int file, const struct iovec *pieces, int count, off_t offset) {
    if (offset < 0) return syscall(SYS_writev, file, pieces, count);
    return syscall(SYS_pwritev, file, pieces, (long)count, (long)offset, 0L);
}

// WRITE: inode, offset. WRITE_DURABLE: the number of the WRITE.
static ssize_t writeToFile(int file, ino_t inode, const struct iovec *pieces, int count, off_t offset) {
    int flags = fcntl(file, F_GETFL);
    if (flags & O_APPEND) fail("a file is open for appending");
    pthread_mutex_lock(&lock);
    off_t place = offset < 0 ? lseek(file, 0, SEEK_CUR) : offset;
    size_t total = sum(pieces, count);
    if (!(flags & O_DSYNC)) {
        ssize_t written = put(file, pieces, count, offset);
        if (written != (ssize_t)total) fail("a write failed or was short");
        note(WRITE, inode, (uint64_t)place, pieces, count, total);
        pthread_mutex_unlock(&lock);
        return written;
    }
    uint64_t number = note(WRITE, inode, (uint64_t)place, pieces, count, total);
    pthread_mutex_unlock(&lock);
    ssize_t written = put(file, pieces, count, offset);
    if (written != (ssize_t)total) fail("a write failed or was short");
    pthread_mutex_lock(&lock);
    note(WRITE_DURABLE, number, 0, NULL, 0, 0);
    pthread_mutex_unlock(&lock);
    return written;
}

// The port at the other end of an IPv4 connection; 0 for any other socket.
static uint16_t peerPort(int socket) {
    struct sockaddr_in address = {0};
    socklen_t length = sizeof address;
    if (getpeername(socket, (struct sockaddr *)&address, &length) != 0 || address.sin_family != AF_INET) return 0;
    return ntohs(address.sin_port);
}

// SENT: the client's port.
static ssize_t sendToClient(int socket, const struct msghdr *message, int flags) {
    pthread_mutex_lock(&lock);
    ssize_t sent = syscall(SYS_sendmsg, socket, message, flags);
    int code = errno;
    uint16_t port = sent > 0 ? peerPort(socket) : 0;
    if (port != 0) note(SENT, port, 0, message->msg_iov, (int)message->msg_iovlen, (size_t)sent);
    pthread_mutex_unlock(&lock);
    errno = code;
    return sent;
}

static ssize_t writePieces(int file, const struct iovec *pieces, int count, off_t offset) {
    struct stat status;
    if (journal < 0 || fstat(file, &status) != 0) return put(file, pieces, count, offset);
    if (S_ISREG(status.st_mode)) return writeToFile(file, status.st_ino, pieces, count, offset);
    if (S_ISSOCK(status.st_mode)) {
        struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = (size_t)count};
        return sendToClient(file, &message, 0);
    }
    return put(file, pieces, count, offset);
}

ssize_t write(int file, const void *bytes, size_t count) {
    struct iovec piece = {(void *)bytes, count};
    return writePieces(file, &piece, 1, -1);
}

ssize_t writev(int file, const struct iovec *pieces, int count) { return writePieces(file, pieces, count, -1); }

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
    struct iovec piece = {(void *)bytes, count};
    return writePieces(file, &piece, 1, offset);
}

ssize_t pwritev(int file, const struct iovec *pieces, int count, off_t offset) { return writePieces(file, pieces, count, offset); }

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) __attribute__((alias("pwrite")));
ssize_t pwritev64(int file, const struct iovec *pieces, int count, off64_t offset) __attribute__((alias("pwritev")));

ssize_t sendmsg(int socket, const struct msghdr *message, int flags) {
    if (journal < 0) return syscall(SYS_sendmsg, socket, message, flags);
    return sendToClient(socket, message, flags);
}

ssize_t send(int socket, const void *bytes, size_t count, int flags) {
    struct iovec piece = {(void *)bytes, count};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    return sendmsg(socket, &message, flags);
}

// MARK: Syncs and lengths

// SYNC_BEGUN: inode. SYNC_ENDED: the number of the SYNC_BEGUN.
static int syncFile(long call, int file) {
    struct stat status;
    if (journal < 0 || fstat(file, &status) != 0) return (int)syscall(call, file);
    pthread_mutex_lock(&lock);
    uint64_t number = note(SYNC_BEGUN, status.st_ino, 0, NULL, 0, 0);
    pthread_mutex_unlock(&lock);
    if (syscall(call, file) != 0) fail("a sync failed");
    pthread_mutex_lock(&lock);
    note(SYNC_ENDED, number, 0, NULL, 0, 0);
    pthread_mutex_unlock(&lock);
    return 0;
}

int fdatasync(int file) { return syncFile(SYS_fdatasync, file); }
int fsync(int file) { return syncFile(SYS_fsync, file); }

// TRUNCATE: inode, length.
int ftruncate(int file, off_t length) {
    struct stat status;
    if (journal < 0 || fstat(file, &status) != 0) return (int)syscall(SYS_ftruncate, file, length);
    pthread_mutex_lock(&lock);
    if (syscall(SYS_ftruncate, file, length) != 0) fail("a file's length could not be changed");
    note(TRUNCATE, status.st_ino, (uint64_t)length, NULL, 0, 0);
    pthread_mutex_unlock(&lock);
    return 0;
}

int ftruncate64(int file, off64_t length) __attribute__((alias("ftruncate")));

// MARK: Names

// The inode of a path's folder, and the name in it. Zero where there is no such folder.
static uint64_t split(const char *path, char *name) {
    char folder[MAXIMUM_PATH];
    size_t length = strlen(path);
    if (length >= MAXIMUM_PATH) fail("a long path");
    while (length > 1 && path[length - 1] == '/') length -= 1;
    size_t slash = length;
    while (slash > 0 && path[slash - 1] != '/') slash -= 1;
    memcpy(name, path + slash, length - slash);
    name[length - slash] = 0;
    memcpy(folder, slash == 0 ? "." : path, slash == 0 ? 1 : slash);
    folder[slash == 0 ? 1 : slash] = 0;
    struct stat status;
    return stat(folder, &status) == 0 ? status.st_ino : 0;
}

// CREATE and MAKE_FOLDER: the folder's inode, the new one's inode; the name. UNLINK: the folder's inode; the name.
static void noteName(enum Kind kind, const char *path, uint64_t inode) {
    char name[MAXIMUM_PATH];
    uint64_t folder = split(path, name);
    struct iovec piece = {name, strlen(name)};
    note(kind, folder, inode, &piece, 1, piece.iov_len);
}

static int openFile(int folder, const char *path, int flags, mode_t mode) {
    if (journal < 0 || !(flags & (O_CREAT | O_TRUNC))) return (int)syscall(SYS_openat, folder, path, flags, mode);
    pthread_mutex_lock(&lock);
    struct stat status;
    int existed = fstatat(folder, path, &status, 0) == 0;
    int file = (int)syscall(SYS_openat, folder, path, flags, mode);
    int code = errno;
    if (file >= 0 && fstat(file, &status) == 0 && S_ISREG(status.st_mode)) {
        if (folder != AT_FDCWD && path[0] != '/') fail("a file is opened relative to a folder");
        if (!existed) noteName(CREATE, path, status.st_ino);
        if (existed && (flags & O_TRUNC)) note(TRUNCATE, status.st_ino, 0, NULL, 0, 0);
    }
    pthread_mutex_unlock(&lock);
    errno = code;
    return file;
}

static mode_t modeArgument(int flags, va_list arguments) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0; }

int open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = modeArgument(flags, arguments);
    va_end(arguments);
    return openFile(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = modeArgument(flags, arguments);
    va_end(arguments);
    return openFile(folder, path, flags, mode);
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));
int openat64(int folder, const char *path, int flags, ...) __attribute__((alias("openat")));

int mkdir(const char *path, mode_t mode) {
    if (journal < 0) return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    pthread_mutex_lock(&lock);
    int result = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    int code = errno;
    struct stat status;
    if (result == 0 && stat(path, &status) == 0) noteName(MAKE_FOLDER, path, status.st_ino);
    pthread_mutex_unlock(&lock);
    errno = code;
    return result;
}

int unlink(const char *path) {
    if (journal < 0) return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    pthread_mutex_lock(&lock);
    int result = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    int code = errno;
    if (result == 0) noteName(UNLINK, path, 0);
    pthread_mutex_unlock(&lock);
    errno = code;
    return result;
}

// RENAME: the old folder's inode, the new one's; the old name, a zero byte, the new name.
int rename(const char *path, const char *newPath) {
    if (journal < 0) return (int)syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, newPath, 0);
    char name[MAXIMUM_PATH], newName[MAXIMUM_PATH];
    pthread_mutex_lock(&lock);
    int result = (int)syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, newPath, 0);
    int code = errno;
    if (result == 0) {
        uint64_t folder = split(path, name), newFolder = split(newPath, newName);
        struct iovec pieces[] = {{name, strlen(name) + 1}, {newName, strlen(newName)}};
        note(RENAME, folder, newFolder, pieces, 2, pieces[0].iov_len + pieces[1].iov_len);
    }
    pthread_mutex_unlock(&lock);
    errno = code;
    return result;
}
