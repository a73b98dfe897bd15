package run

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"rollproof/loadtest/tally"
	"rollproof/loadtest/timeline"
)

// forwarded returns what forwards the URL's port of this machine to one pod, as
// kubectl port-forward does: all requests then meet the same pod, whatever the
// Service does. It is empty where nothing of the kind is seen.
func forwarded(address string) string {
	u, err := url.Parse(address)
	if err != nil || !isLoopback(u.Hostname()) {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return ""
	}
	inodes := map[string]bool{}
	for _, table := range []string{"tcp", "tcp6"} {
		listeners(filepath.Join("/proc/net", table), uint16(n), inodes)
	}
	if len(inodes) == 0 {
		return ""
	}
	return forwarderOf(inodes)
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// tcpListen is the state of a listening socket in /proc/net/tcp.
const tcpListen = "0A"

// listeners adds the inodes of the sockets that listen on a port. What cannot be
// read is left out: the warning is a help and no proof.
func listeners(table string, port uint16, into map[string]bool) {
	f, err := os.Open(table)
	if err != nil {
		return
	}
	defer f.Close() //nolint:errcheck // only read
	lines := bufio.NewScanner(f)
	want := fmt.Sprintf(":%04X", port)
	for lines.Scan() {
		// "  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 12345 ..."
		words := strings.Fields(lines.Text())
		if len(words) > 9 && words[3] == tcpListen && strings.HasSuffix(words[1], want) {
			into["socket:["+words[9]+"]"] = true
		}
	}
}

// forwarderOf returns the command line of the process that holds one of the
// sockets, if it is one of kubectl's kind.
func forwarderOf(sockets map[string]bool) string {
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return ""
	}
	for _, path := range lines {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended, or is another user's
		}
		argv := strings.Split(strings.TrimRight(string(data), "\x00"), "\x00")
		if forwards(argv) && holds(filepath.Join(filepath.Dir(path), "fd"), sockets) {
			return strings.Join(argv, " ")
		}
	}
	return ""
}

// forwards tells whether a command line is of a program that forwards to one pod.
func forwards(argv []string) bool {
	switch filepath.Base(argv[0]) {
	case "kubectl", "oc", "k9s", "kubectl.exe":
		return true
	}
	for _, word := range argv[1:] {
		if word == "port-forward" {
			return true
		}
	}
	return false
}

func holds(dir string, sockets map[string]bool) bool {
	d, err := os.Open(dir)
	if err != nil {
		return false
	}
	names, err := d.Readdirnames(-1)
	if errors.Join(err, d.Close()) != nil {
		return false
	}
	for _, name := range names {
		if target, err := os.Readlink(filepath.Join(dir, name)); err == nil && sockets[target] {
			return true
		}
	}
	return false
}

// pinnedAfter is how long a pod must be ready for its silence to tell something.
const pinnedAfter = 3 * time.Second

// onePod returns a warning where all answers came from one pod while others were
// ready: something in front pins it.
func onePod(lanes []*tally.Lane, t *timeline.Timeline, from, to time.Time) string {
	answered := tally.Pods(lanes)
	if len(answered) != 1 || t == nil {
		return ""
	}
	ready := 0
	for _, p := range t.Pods {
		if p.ReadyFor(from, to) >= pinnedAfter {
			ready++
		}
	}
	if ready < 2 {
		return ""
	}
	return fmt.Sprintf("all answers came from pod %s, while %d pods were ready: something in front of them (a port-forward, sticky sessions) pins one, so that nothing was seen of the others",
		tally.PodNames(answered)[0], ready)
}
