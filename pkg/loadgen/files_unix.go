//go:build unix

package loadgen

import "syscall"

// raiseFileLimit raises the number of files that may be open, if it is below
// the need, as far as the system lets a process do so. It gives the limit that is in force then.
func raiseFileLimit(need uint64) (limit uint64, err error) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, err
	}
	if l.Cur < need && l.Cur < l.Max {
		raised := l
		raised.Cur = l.Max
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised); err == nil {
			l = raised
		}
	}
	return l.Cur, nil
}
