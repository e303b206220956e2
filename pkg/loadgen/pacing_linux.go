package loadgen

import (
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A kernelTimer is a metronome that is tens of microseconds late where Go's
// timers are half a millisecond: the kernel's timer wakes the runtime's poller
// as a socket does, and the poller's own time-outs, which are whole
// milliseconds, play no part. It holds no thread while it waits.
type kernelTimer struct {
	file *os.File
	raw  syscall.RawConn
	turn func(fd uintptr) (done bool)

	after time.Duration // of the wait under way; 0 once the timer is set
	err   error
}

func newMetronome() metronome {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return newTicker()
	}
	t := &kernelTimer{file: os.NewFile(uintptr(fd), "timer")}
	t.turn = t.setAndRead
	if t.raw, err = t.file.SyscallConn(); err != nil {
		_ = t.file.Close() // nothing was done with it
		return newTicker()
	}
	return t
}

func (t *kernelTimer) wait(d time.Duration) bool {
	t.after, t.err = max(d, 1), nil
	return t.raw.Read(t.turn) == nil && t.err == nil
}

// setAndRead is called before the wait, and again when the time has come.
func (t *kernelTimer) setAndRead(fd uintptr) (done bool) {
	if t.after > 0 {
		spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(t.after))}
		t.after = 0
		if _, _, errno := unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0); errno != 0 { //nolint:gosec // raw as [rawRead]; the kernel takes an address
			t.err = errno
		}
		return t.err != nil
	}
	var expirations [8]byte
	_, err := rawRead(int(fd), expirations[:])
	if err == unix.EAGAIN || err == unix.EINTR { //nolint:errorlint // as the kernel gave it
		return false
	}
	t.err = err
	return true
}

func (t *kernelTimer) interrupt() { _ = t.file.SetReadDeadline(time.Unix(1, 0)) } // for a closed file there is nothing to do

func (t *kernelTimer) close() { _ = t.file.Close() } // it is only read
