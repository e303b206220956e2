package loadgen

import (
	"context"
	"encoding/csv"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The columns are those of Locust 2.
func TestLocustCSV(t *testing.T) {
	s := mustParse(t, `apiVersion: plumbline/v1
kind: Scenario
name: s
users:
  - {name: u, think: 100ms, tasks: [{name: "b, fast", request: GET /fast}, {name: a slow, request: POST /slow}]}`)
	p := Profile{Stages: []Stage{{10, 10, 20 * time.Second, true}}}
	var history, stats, failures strings.Builder
	c, err := NewLocustCSV(&history)
	if err != nil {
		t.Fatal(err)
	}
	sum := runFollowed(t, s, p, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			time.Sleep(200 * time.Millisecond)
			w.WriteHeader(http.StatusTeapot)
			return
		}
		time.Sleep(250 * time.Microsecond)
		_, _ = w.Write([]byte("12345"))
	}, func(o *Options) { o.OnResult, o.OnStart = c.Observe, c.Begin }, func(g *Generator) {
		if err := c.Second(g.Snapshot()); err != nil {
			t.Error(err)
		}
	})
	if err := c.WriteStats(&stats); err != nil {
		t.Fatal(err)
	}
	if err := c.WriteFailures(&failures); err != nil {
		t.Fatal(err)
	}
	rows := readCSV(t, stats.String())
	if want := "Type,Name,Request Count,Failure Count,Median Response Time,Average Response Time,Min Response Time,Max Response Time,Average Content Size,Requests/s,Failures/s,50%,66%,75%,80%,90%,95%,98%,99%,99.9%,99.99%,100%"; strings.Join(rows[0], ",") != want {
		t.Errorf("stats: got columns %s\nwant %s", strings.Join(rows[0], ","), want)
	}
	fast, slow, all := rows[1], rows[2], rows[3]
	if len(rows) != 4 || fast[0] != "GET" || fast[1] != "b, fast" || slow[0] != "POST" || all[0] != "" || all[1] != "Aggregated" {
		t.Fatalf("got rows %q, want the scenario's order and Aggregated", rows)
	}
	if all[2] != strconv.FormatInt(sum.Requests, 10) || all[3] != strconv.FormatInt(sum.Failures, 10) || slow[2] != slow[3] || fast[3] != "0" {
		t.Errorf("got %q, want %d requests, %d failures, all of them slow ones", rows[1:], sum.Requests, sum.Failures)
	}
	if fast[4] != "0.25" || slow[4] != "200" || fast[8] != "5" || slow[8] != "0" || fast[6] != "0.25" {
		t.Errorf("got medians %s and %s ms and sizes %s and %s, want 0.25, 200, 5, 0", fast[4], slow[4], fast[8], slow[8])
	}
	if rps, err := strconv.ParseFloat(all[9], 64); err != nil || rps < 0.9*sum.RequestsPerSecond || rps > 1.1*sum.RequestsPerSecond {
		t.Errorf("got %s req/s, want about %v", all[9], sum.RequestsPerSecond)
	}
	want := [][]string{{"Method", "Name", "Error", "Occurrences"}, {"POST", "a slow", "status 418", slow[3]}}
	if diff := cmp.Diff(want, readCSV(t, failures.String())); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	checkHistory(t, readCSV(t, history.String()), sum)
}

// runFollowed runs a profile in a synctest bubble, and looks at the generator every second and at the end.
func runFollowed(t *testing.T, s Scenario, p Profile, h http.HandlerFunc, change func(*Options), look func(*Generator)) (sum Summary) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		server := &http.Server{Handler: h}
		var running sync.WaitGroup
		running.Go(func() { _ = server.Serve(l) }) // ends with ErrServerClosed
		opts := Options{Scenario: s, Profile: p, Target: &url.URL{Scheme: "http", Host: "target"}, RunID: "r", Dial: l.dial}
		change(&opts)
		g, err := New(opts)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		running.Go(func() {
			for tick := time.NewTicker(time.Second); ; {
				select {
				case <-tick.C:
					look(g)
				case <-ctx.Done():
					return
				}
			}
		})
		sum, err = g.Run(t.Context(), t.Context())
		stop()
		_ = server.Close() // the test is over
		_ = l.Close()
		running.Wait()
		look(g)
		if err != nil {
			t.Fatal(err)
		}
	})
	return sum
}

func checkHistory(t *testing.T, rows [][]string, sum Summary) {
	t.Helper()
	if want := "Timestamp,User Count,Type,Name,Requests/s,Failures/s,50%,66%,75%,80%,90%,95%,98%,99%,99.9%,99.99%,100%,Total Request Count,Total Failure Count,Total Median Response Time,Total Average Response Time,Total Min Response Time,Total Max Response Time,Total Average Content Size"; strings.Join(rows[0], ",") != want {
		t.Errorf("history: got columns %s\nwant %s", strings.Join(rows[0], ","), want)
	}
	if len(rows) < 20 || len(rows) > 23 {
		t.Fatalf("history: got %d rows, want one a second", len(rows))
	}
	first, _ := strconv.Atoi(rows[1][0])
	for i, row := range rows[1:20] {
		at, _ := strconv.Atoi(row[0])
		rate, _ := strconv.ParseFloat(row[4], 64)
		if at != first+i || row[1] != "10" || row[3] != "Aggregated" || rate < 30 || rate > 110 {
			t.Errorf("history, second %d: got %q, want 10 users and a rate between 30 and 110", i, row)
		}
	}
	if last := rows[len(rows)-1]; last[17] != strconv.FormatInt(sum.Requests, 10) {
		t.Errorf("history: got %s requests in the end, want %d", last[17], sum.Requests)
	}
}

func readCSV(t *testing.T, text string) [][]string {
	t.Helper()
	if !strings.HasSuffix(text, "\r\n") {
		t.Errorf("%.40q…: want lines that end as Python's", text)
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// The logins of an open model are in none of the files, and what is current is
// of the load alone, though there were more logins than are arrivals.
func TestLocustCSVOfAnOpenModel(t *testing.T) {
	var history, stats, failures strings.Builder
	c, err := NewLocustCSV(&history)
	if err != nil {
		t.Fatal(err)
	}
	var logins atomic.Int64
	runFollowed(t, mustParse(t, withLogin), Profile{Open: true, MaxInFlight: 100, Stages: []Stage{{20, 20, 5 * time.Second, true}}}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			time.Sleep(3300 * time.Millisecond)
			if logins.Add(1) == 1 {
				w.WriteHeader(http.StatusForbidden)
			}
			_, _ = w.Write(make([]byte, 1000))
		}
		time.Sleep(10 * time.Millisecond)
	}, func(o *Options) {
		o.OnResult, o.OnStart, o.metronome = c.Observe, c.Begin, newTicker
	}, func(g *Generator) {
		if err := c.Second(g.Snapshot()); err != nil {
			t.Error(err)
		}
	})
	if err := errors.Join(c.WriteStats(&stats), c.WriteFailures(&failures)); err != nil {
		t.Fatal(err)
	}
	rows := readCSV(t, stats.String())
	if login, all := rows[1], rows[3]; login[2] != "0" || all[2] != "100" || all[3] != "0" || all[8] != "0" || !strings.HasPrefix(all[9], "20.") {
		t.Errorf("got %q, want the 100 arrivals of 20 a second alone", rows)
	}
	if got := readCSV(t, failures.String()); len(got) != 1 {
		t.Errorf("failures: got %q, want none", got)
	}
	past := readCSV(t, history.String())[1:]
	if len(past) != 6 { // for each second of 5, and at the end
		t.Errorf("history: got %d rows, want none before the load", len(past))
	}
	for i, row := range past {
		if rate, err := strconv.ParseFloat(row[4], 64); err != nil || rate < 15 || rate > 25 || row[6] != "10" || row[16] != "10" {
			t.Errorf("history, second %d: got %q, want 20 requests a second, all of 10 ms", i, row)
		}
	}
}

func TestLocustCSVWithoutAnyRequest(t *testing.T) {
	var history, stats strings.Builder
	c, err := NewLocustCSV(&history)
	if err != nil {
		t.Fatal(err)
	}
	c.Begin(time.Unix(99, 0))
	if err := c.Second(Snapshot{At: time.Unix(100, 0)}); err != nil {
		t.Fatal(err)
	}
	if err := c.WriteStats(&stats); err != nil {
		t.Fatal(err)
	}
	if want := []string{"100", "0", "", "Aggregated", "0.000000", "0.000000", "N/A", "N/A"}; !cmp.Equal(readCSV(t, history.String())[1][:8], want) {
		t.Errorf("got %s, want %q", history.String(), want)
	}
}
