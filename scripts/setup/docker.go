package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	dockerPidFile = "/var/run/docker.pid"
	// dockerNeeds is what images and node containers take, with room to work.
	dockerNeeds = 8 << 30
)

// DockerInfo asks the daemon for a field of `docker info`.
func DockerInfo(ctx context.Context, format string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	out, err := Command{}.Output(ctx, "docker", "info", "--format", format)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(out), nil
}

// EnsureDocker finds a running Docker, or starts the one that is installed,
// or installs Debian's and starts that.
func (s *Setup) EnsureDocker(ctx context.Context) error {
	_, err := DockerInfo(ctx, "{{.ServerVersion}}")
	if err == nil {
		return s.checkDocker(ctx)
	}
	if strings.Contains(err.Error(), "permission denied") {
		return fmt.Errorf("docker runs, but this user may not use it: run `sudo usermod -aG docker $USER` and log in again: %w", err)
	}
	if host := os.Getenv("DOCKER_HOST"); host != "" {
		return fmt.Errorf("DOCKER_HOST is %s, and no daemon answers there: unset it to use this machine's Docker: %w", host, err)
	}
	unlock, err := s.Cache.Lock(ctx, "docker")
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := exec.LookPath("dockerd"); err != nil {
		if err := s.aptInstall(ctx, "install Docker from Debian", time.Minute, "docker.io"); err != nil {
			return fmt.Errorf("docker is not installed: %w", err)
		}
	}
	if err := s.startDocker(ctx); err != nil {
		return err
	}
	return s.checkDocker(ctx)
}

// checkDocker refuses a daemon that the rest could not work with.
func (s *Setup) checkDocker(ctx context.Context) error {
	root, err := DockerInfo(ctx, "{{.DockerRootDir}}")
	if err != nil {
		return err
	}
	// The disk of a daemon elsewhere is not ours to see.
	if free, err := FreeBytes(root); err == nil && free < dockerNeeds {
		return fmt.Errorf("docker's disk is full: %.1f GB free in %s, %.0f GB are needed: make room there, for example with `docker system prune`", float64(free)/1e9, root, float64(dockerNeeds)/1e9)
	}
	return nil
}

// startDocker starts the daemon: with systemd where systemd is, and by hand
// where it is not. What the machine lacks is worked around by hand only.
func (s *Setup) startDocker(ctx context.Context) error {
	if s.Host.Systemd {
		return s.Steps.Do(ctx, "start Docker", 0, func(ctx context.Context, log io.Writer) error {
			name, args, err := s.Host.AsRoot("systemctl", "start", "docker")
			if err != nil {
				return err
			}
			if err := (Command{Log: log}).Run(ctx, name, args...); err != nil {
				return err
			}
			return waitForDocker(ctx, nil)
		})
	}
	var args []string
	if s.Host.LacksCapabilities() {
		runtime, err := s.boundedRuntime(ctx)
		if err != nil {
			return err
		}
		s.Steps.Say("    work-around: this machine does not have every capability that its kernel knows, and Docker's privileged containers ask for all: runc is called through %s, which drops those", filepath.Base(runtime))
		args = append(args, "--add-runtime", "bounded="+runtime, "--default-runtime", "bounded")
	}
	return s.Steps.Do(ctx, "start Docker's daemon (there is no systemd here)", 0, func(ctx context.Context, _ io.Writer) error {
		if err := s.removeStalePid(ctx); err != nil {
			return err
		}
		logPath := filepath.Join(s.Cache.Dir, "logs", "dockerd.log")
		log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return fmt.Errorf("the daemon's log: %w", err)
		}
		defer func() { _ = log.Close() }() // the daemon has its own handle
		name, args, err := s.Host.AsRoot("dockerd", args...)
		if err != nil {
			return err
		}
		// It outlives us, so it has no context and a session of its own.
		cmd := exec.Command(name, args...)
		cmd.Stdout, cmd.Stderr = log, log
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			return fmt.Errorf("dockerd: %w", err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		if err := waitForDocker(ctx, ended); err != nil {
			return fmt.Errorf("%w (its log: %s)", err, logPath)
		}
		return os.WriteFile(s.startedDockerFile(), []byte(strconv.Itoa(cmd.Process.Pid)), 0o644)
	})
}

// startedDockerFile holds the process id of a daemon that we started.
func (s *Setup) startedDockerFile() string { return filepath.Join(s.Cache.Dir, "dockerd.pid") }

// StopDocker ends the daemon if it is one that we started by hand.
func (s *Setup) StopDocker(ctx context.Context) error {
	raw, err := os.ReadFile(s.startedDockerFile())
	if errors.Is(err, os.ErrNotExist) {
		s.Steps.Say("Docker's daemon was not started by this project: it is left alone")
		return nil
	}
	if err != nil {
		return fmt.Errorf("the daemon's process id: %w", err)
	}
	pid := strings.TrimSpace(string(raw))
	if !isDaemon(pid) {
		return os.Remove(s.startedDockerFile())
	}
	return s.Steps.Do(ctx, "stop Docker's daemon", 0, func(ctx context.Context, log io.Writer) error {
		name, args, err := s.Host.AsRoot("kill", pid)
		if err != nil {
			return err
		}
		if err := (Command{Log: log}).Run(ctx, name, args...); err != nil {
			return err
		}
		for deadline := time.Now().Add(30 * time.Second); isDaemon(pid); {
			if time.Now().After(deadline) {
				return fmt.Errorf("dockerd (process %s) has not ended after 30s", pid)
			}
			time.Sleep(200 * time.Millisecond)
		}
		return os.Remove(s.startedDockerFile())
	})
}

// removeStalePid removes the file with which a daemon that was killed keeps
// the next one from starting.
func (s *Setup) removeStalePid(ctx context.Context) error {
	raw, err := os.ReadFile(dockerPidFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("docker's pid file: %w", err)
	}
	if pid := strings.TrimSpace(string(raw)); isDaemon(pid) {
		return fmt.Errorf("a Docker daemon runs as process %s but does not answer: look at its log, or end it and try again", pid)
	}
	name, args, err := s.Host.AsRoot("rm", "-f", dockerPidFile)
	if err != nil {
		return err
	}
	return Command{Log: io.Discard}.Run(ctx, name, args...)
}

// isDaemon says whether pid is a live dockerd, or the sudo that runs one.
func isDaemon(pid string) bool {
	comm, err := os.ReadFile(filepath.Join("/proc", pid, "comm"))
	if err != nil || pid == "" {
		return false
	}
	name := strings.TrimSpace(string(comm))
	if name == "sudo" {
		line, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
		return err == nil && strings.Contains(string(line), "dockerd")
	}
	// A daemon that has ended but was not waited for is still listed.
	stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	return name == "dockerd" && err == nil && !strings.Contains(string(stat), ") Z ")
}

// waitForDocker waits until the daemon answers. ended, if not nil, receives
// how the daemon ended when it did.
func waitForDocker(ctx context.Context, ended <-chan error) error {
	deadline := time.After(time.Minute)
	var last error
	for {
		if _, last = DockerInfo(ctx, "{{.ServerVersion}}"); last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-ended:
			return fmt.Errorf("dockerd ended: %w", err)
		case <-deadline:
			return fmt.Errorf("docker does not answer after 1m: %w", last)
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// aptInstall installs packages from Debian.
func (s *Setup) aptInstall(ctx context.Context, what string, expect time.Duration, packages ...string) error {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("this is no Debian: install %s with your system's package manager and try again", strings.Join(packages, ", "))
	}
	unlock, err := s.Cache.Lock(ctx, "apt")
	if err != nil {
		return err
	}
	defer unlock()
	return s.Steps.Do(ctx, what, expect, func(ctx context.Context, log io.Writer) error {
		env := []string{"DEBIAN_FRONTEND=noninteractive"}
		update, updateArgs, err := s.Host.AsRoot("apt-get", "update", "-q")
		if err != nil {
			return err
		}
		if err := (Command{Env: env, Log: log}).Run(ctx, update, updateArgs...); err != nil {
			return err
		}
		args := append([]string{"DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-q", "-y", "--no-install-recommends"}, packages...)
		install, installArgs, err := s.Host.AsRoot("env", args...)
		if err != nil {
			return err
		}
		return Command{Log: log}.Run(ctx, install, installArgs...)
	})
}
