package report_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/plumbline/plumbline/pkg/report"
)

// The page works in a real browser: charts are drawn, queries open, nothing is
// loaded from anywhere, and hostile labels stay text.
func TestHTMLInBrowser(t *testing.T) {
	var noise noises
	ctx := browser(t, noise.hear)
	path := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(path, []byte(render(t, report.HTML, sample())), 0o600); err != nil {
		t.Fatal(err)
	}
	err := chromedp.Do(ctx, chromedp.EmulateViewport(420, 900), chromedp.Navigate("file://"+path), chromedp.WaitVisible("figure.live canvas"))
	if err != nil {
		t.Fatal(err)
	}
	hacked := evaluate[bool](t, ctx, `window.hacked === 1`)
	charts := evaluate[int](t, ctx, `document.querySelectorAll("figure").length`)
	drawn := evaluate[int](t, ctx, `[...document.querySelectorAll("canvas")].filter(c => c.getContext("2d").getImageData(0, 0, c.width, c.height).data.some(v => v)).length`)
	overflow := evaluate[int](t, ctx, `document.documentElement.scrollWidth - innerWidth`)
	if err := chromedp.Do(ctx, chromedp.Click("button.number")); err != nil {
		t.Fatal(err)
	}
	open := evaluate[bool](t, ctx, `document.querySelector(".source:popover-open code").textContent.includes("http_requests_total")`)
	if hacked {
		t.Error("a label ran as a script")
	}
	if want := len(sample().Charts); charts != want || drawn != want {
		t.Errorf("got %d charts, %d drawn, want %d", charts, drawn, want)
	}
	if overflow > 0 {
		t.Errorf("got a page %d pixels wider than a screen of 420, want none", overflow)
	}
	if !open {
		t.Error("the query behind a number did not open")
	}
	if got := noise.all(); len(got) > 0 {
		t.Errorf("got requests or console errors %q, want none", got)
	}
}

func evaluate[T any](t *testing.T, ctx context.Context, script string) T {
	t.Helper()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return value
}

// noises are what a quiet page would not do: requests, exceptions, words on the console.
type noises struct {
	mu    sync.Mutex
	heard []string
}

func (n *noises) hear(event any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, "file://") {
			n.heard = append(n.heard, e.Request.URL)
		}
	case *runtime.EventExceptionThrown:
		n.heard = append(n.heard, fmt.Sprint("exception: ", e.ExceptionDetails.Text))
	case *runtime.EventConsoleAPICalled:
		n.heard = append(n.heard, fmt.Sprint("console: ", e.Type))
	case *log.EventEntryAdded:
		n.heard = append(n.heard, fmt.Sprint("log: ", e.Entry.Text))
	}
}

func (n *noises) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.heard
}

// browser starts a Chromium for the test.
func browser(t *testing.T, hear func(any)) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("PLUMBLINE_REQUIRE_SERVERS") == "1" {
			t.Fatal("no chromium: PLUMBLINE_REQUIRE_SERVERS=1 asks for it")
		}
		t.Skip("no chromium: the page is not tested in a browser")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, stopTab := chromedp.NewContext(ctx, chromedp.WithListener(hear))
	t.Cleanup(stopTab)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	t.Cleanup(cancel)
	return ctx
}
