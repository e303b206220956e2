package main

import (
	"context"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// serve answers on a port until ctx ends: one thread, one epoll.
func (t target) serve(ctx context.Context, port int) error {
	runtime.LockOSThread()
	listener, poll, err := listen(port)
	if err != nil {
		return err
	}
	var tails [][]byte // by file descriptor
	events := make([]unix.EpollEvent, 512)
	buf := make([]byte, 64<<10)
	var first time.Time
	for ctx.Err() == nil {
		n, err := rawCall(unix.SYS_EPOLL_PWAIT, poll, events)
		if n == 0 { // then it may wait
			n, err = unix.EpollWait(poll, events, 100)
		}
		if err != nil && err != unix.EINTR { //nolint:errorlint // as the kernel gave it
			return err
		}
		for _, e := range events[:max(n, 0)] {
			fd := int(e.Fd)
			if fd == listener {
				tails = accept(listener, poll, tails)
				continue
			}
			got, err := rawCall(unix.SYS_READ, fd, buf)
			if err == unix.EAGAIN || err == unix.EINTR { //nolint:errorlint // as the kernel gave it
				continue
			}
			if err != nil || got == 0 {
				_ = unix.Close(fd)
				continue
			}
			var requests int
			requests, tails[fd] = requestsIn(tails[fd], buf[:got])
			if t.freeze.every > 0 {
				if first.IsZero() {
					first = time.Now()
				}
				if left := t.freeze.left(time.Since(first)); left > 0 {
					sleep(left)
				}
			}
			for range requests {
				burn(t.work)
				_, _ = rawCall(unix.SYS_WRITE, fd, answer) // a client that has gone is seen at the next read
			}
		}
	}
	return nil
}

// rawCall is for calls that don't block: Go's own tell the scheduler that they
// may, which costs a fifteenth of the time of an answer. Further arguments of a
// call are 0, so that epoll doesn't wait.
func rawCall[T byte | unix.EpollEvent](number uintptr, fd int, s []T) (int, error) {
	n, _, errno := unix.RawSyscall6(number, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(s))), uintptr(len(s)), 0, 0, 0) //nolint:gosec // the kernel takes an address
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}

// sleep ends when it should: [time.Sleep] would freeze for up to a millisecond longer.
func sleep(d time.Duration) {
	left := unix.NsecToTimespec(int64(d))
	for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &left, &left) == unix.EINTR { //nolint:errorlint,revive // as the kernel gave it; it goes on with what is left
	}
}

func listen(port int) (listener, poll int, err error) {
	listener, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, 0, err
	}
	if err := unix.SetsockoptInt(listener, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return 0, 0, err
	}
	if err := unix.Bind(listener, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, 0, err
	}
	if err := unix.Listen(listener, 4096); err != nil {
		return 0, 0, err
	}
	if poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return 0, 0, err
	}
	return listener, poll, watch(poll, listener)
}

func watch(poll, fd int) error {
	return unix.EpollCtl(poll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

// accept accepts who has come, and makes place for their tails.
func accept(listener, poll int, tails [][]byte) [][]byte {
	for {
		fd, _, err := unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return tails // none is left
		}
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // an answer goes out in one write anyway
		if watch(poll, fd) != nil {
			_ = unix.Close(fd)
			continue
		}
		for len(tails) <= fd {
			tails = append(tails, make([]byte, 0, 8))
		}
		tails[fd] = tails[fd][:0]
	}
}
