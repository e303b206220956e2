package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/plumbline/plumbline/pkg/loadgen"
)

// A slowLog tells of slow requests: of each of the first few of a second, of the
// others how many there were.
type slowLog struct {
	longer time.Duration
	say    func(string)

	mu     sync.Mutex
	second int64
	told   int
	untold int
}

// slowPerSecond is how many slow requests are told of in a second.
const slowPerSecond = 5

func newSlowLog(longer time.Duration, say func(string)) *slowLog {
	return &slowLog{longer: longer, say: say}
}

// end tells what is left to tell of the last second.
func (l *slowLog) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.close()
}

// close ends a second.
func (l *slowLog) close() {
	if l.untold > 0 {
		l.say(fmt.Sprintf("slow: %d more in that second", l.untold))
	}
	l.told, l.untold = 0, 0
}

func (l *slowLog) observe(s loadgen.Sample) {
	if s.ResponseTime <= l.longer {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	ended := s.Sent.Add(s.ServiceTime)
	if second := ended.Unix(); second != l.second {
		l.close()
		l.second = second
	}
	if l.told++; l.told > slowPerSecond {
		l.untold++
		return
	}
	text := fmt.Sprintf("slow: %s  %s took %s", ended.UTC().Format("15:04:05.000"), s.Request, s.ResponseTime.Round(time.Millisecond))
	if s.ResponseTime-s.ServiceTime > l.longer/2 {
		text += fmt.Sprintf(", %s of it waiting to be sent", (s.ResponseTime - s.ServiceTime).Round(time.Millisecond))
	}
	if s.Status > 0 {
		text += fmt.Sprintf(", status %d", s.Status)
	}
	l.say(text + fmt.Sprintf(", user %d", s.User))
}
