package kindprovider

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// portHolder says who listens on a TCP port of 127.0.0.1, as well as this
// user may know; "" when nobody does.
func portHolder(port int) (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err == nil {
		return "", l.Close()
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return "", fmt.Errorf("port %d of 127.0.0.1: %w", port, err)
	}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		raw, err := os.ReadFile(table)
		if err != nil {
			continue // without the table the holder stays unnamed
		}
		if inode := listenerInode(string(raw), port); inode != "" {
			if who := socketProcess(inode); who != "" {
				return who, nil
			}
		}
	}
	return "another process", nil
}

// listenerInode finds the socket that listens on a port in a /proc/net/tcp.
func listenerInode(table string, port int) string {
	const listening = "0A"
	suffix := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) > 9 && f[3] == listening && strings.HasSuffix(f[1], suffix) {
			return f[9]
		}
	}
	return ""
}

// socketProcess names the process that holds a socket; "" when this user may
// not see it.
func socketProcess(inode string) string {
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return ""
	}
	for _, link := range links {
		to, err := os.Readlink(link)
		if err != nil || to != "socket:["+inode+"]" {
			continue
		}
		pid := strings.Split(link, "/")[2]
		name, err := os.ReadFile(filepath.Join("/proc", pid, "comm"))
		if err != nil {
			return "process " + pid
		}
		return fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(name)), pid)
	}
	return ""
}
