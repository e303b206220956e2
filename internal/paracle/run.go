package paracle

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Run serves the sample API until ctx ends, and gives the exit code. Its first
// line of output is "listening on URL".
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("paracle", flag.ContinueOnError)
	flags.SetOutput(stderr)
	listen := flags.String("listen", "127.0.0.1:8080", "address; port 0 takes a free one")
	version := flags.String("version", "v1.0.3", "v1.0.3, or v1.0.0 with a smaller pool and a slower path")
	scale := flags.Float64("llm-scale", 0.04, "LLM times as a share of the guide's 2 s")
	faultRate := flags.Float64("fault-rate", rareFaults, "share of requests that fail by themselves")
	seed := flags.Uint64("seed", 1, "of what happens by chance")
	var faults []string
	flags.Func("fault", "build a fault into the service, NAME or NAME=AMOUNT; may be repeated:\n"+faultList(), func(text string) error {
		faults = append(faults, text)
		return new(Config).AddFault(text)
	})
	var replicas []*url.URL
	flags.Func("front", "pass requests on to the replica at this URL instead, in turns with others; may be repeated", func(text string) error {
		u, err := url.Parse(text)
		if err == nil && (u.Scheme != "http" || u.Host == "") {
			err = errors.New("want a URL such as http://127.0.0.1:8081")
		}
		replicas = append(replicas, u)
		return err
	})
	withParent := flags.Bool("exit-with-parent", false, "end when standard input ends")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	cfg, err := ForVersion(*version)
	if err != nil {
		fmt.Fprintln(stderr, "paracle:", err)
		return 2
	}
	cfg.LLMScale, cfg.FaultRate, cfg.Seed = *scale, *faultRate, *seed
	for _, f := range faults {
		if err := cfg.AddFault(f); err != nil {
			fmt.Fprintln(stderr, "paracle:", err)
			return 2
		}
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		fmt.Fprintln(stderr, "paracle:", err)
		return 2
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if *withParent {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin) //nolint:errcheck // its end is what counts
			stop()
		}()
	}
	fmt.Fprintf(stdout, "listening on http://%s\n", l.Addr())
	if len(replicas) > 0 {
		return serve(ctx, l, Front(replicas), stderr)
	}
	s := New(cfg)
	defer s.Close()
	return serve(ctx, l, s, stderr)
}

func faultList() string {
	var list strings.Builder
	for _, f := range Faults {
		fmt.Fprintf(&list, "%s: %s (%.10g)\n", f.Name, f.Does, f.Amount)
	}
	return list.String()
}

func serve(ctx context.Context, l net.Listener, h http.Handler, stderr io.Writer) int {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		fmt.Fprintln(stderr, "paracle:", err)
		return 2
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		fmt.Fprintln(stderr, "paracle:", err)
	}
	return 0
}
