// Command scripts is the project's set-up, called by the Makefile:
//
//	go run ./scripts [--root DIR] setup | images | env | doctor | lint-path | clients-path | stop-docker | version NAME
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"rollproof/scripts/setup"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "rollproof:", err)
		os.Exit(1)
	}
}

const usage = `usage: scripts [--root DIR] COMMAND
  setup        put everything in place: Docker, tools, images
  images       build the prediction server's images
  env          print the export lines with which pulumi can be typed by hand
  doctor       say what is present, what is missing and how it would be had
  stop-docker  end Docker's daemon if it is one that setup started
  lint-path    put the linter in place and print its path
  clients-path put the gRPC clients of the tests in place and print their folder
  version NAME print a pinned version
`

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("scripts", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	cwd, err := os.Getwd()
	if err != nil {
		return err
	}
	root := flags.String("root", cwd, "the checkout")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("%w\n%s", err, usage)
	}
	if flags.Arg(0) == "version" {
		versions, err := setup.LoadVersions()
		if err != nil {
			return err
		}
		v, ok := versions[flags.Arg(1)]
		if !ok {
			return fmt.Errorf("no version of %q is pinned: the list has %v", flags.Arg(1), versions.Names())
		}
		_, err = fmt.Fprintln(stdout, v)
		return err
	}
	commands := map[string]func(s *setup.Setup) error{
		"setup": func(s *setup.Setup) error { return s.All(ctx) },
		"images": func(s *setup.Setup) error {
			return inOrder(ctx, s.EnsureDocker, s.ServerImages)
		},
		"env": func(s *setup.Setup) error {
			lines, err := s.Env(ctx)
			if err != nil {
				return err
			}
			_, err = io.WriteString(stdout, lines)
			return err
		},
		"doctor": func(s *setup.Setup) error {
			all, err := setup.PrintFindings(stdout, s.Doctor(ctx))
			if err == nil && !all {
				_, err = fmt.Fprintln(stdout, "what is missing is put in place by the first `make up`, or now by `make setup`")
			}
			return err
		},
		"lint-path":    func(s *setup.Setup) error { return printed(ctx, stdout, s.Lint) },
		"clients-path": func(s *setup.Setup) error { return printed(ctx, stdout, s.Clients) },
		"stop-docker":  func(s *setup.Setup) error { return s.StopDocker(ctx) },
	}
	command, ok := commands[flags.Arg(0)]
	if !ok {
		return fmt.Errorf("unknown command %q\n%s", flags.Arg(0), usage)
	}
	// Progress goes to standard error: standard output is for eval.
	s, err := setup.New(ctx, *root, stderr)
	if err != nil {
		return err
	}
	return command(s)
}

// inOrder does one thing after the other until one fails.
func inOrder(ctx context.Context, steps ...func(context.Context) error) error {
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// printed prints the path that is put in place.
func printed(ctx context.Context, out io.Writer, path func(context.Context) (string, error)) error {
	at, err := path(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, at)
	return err
}
