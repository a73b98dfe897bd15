package grpcapi

import (
	"net"
	"sync"
)

// connections are the open ones of a listener: grpc-go keeps those that are in their
// handshake to itself, and would wait for them where it is told to stop at once.
type connections struct {
	mutex sync.Mutex
	set   map[*connection]struct{}
}

// connection leaves the set when it is closed.
type connection struct {
	net.Conn
	of *connections
}

// Close implements net.Conn.
func (c *connection) Close() error {
	c.of.mutex.Lock()
	delete(c.of.set, c)
	c.of.mutex.Unlock()
	return c.Conn.Close()
}

// tracked is a listener whose connections are kept.
type tracked struct {
	net.Listener
	connections *connections
}

// Accept implements net.Listener.
func (t tracked) Accept() (net.Conn, error) {
	raw, err := t.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return t.connections.add(raw), nil
}

// track returns the listener with its connections kept.
func (c *connections) track(on net.Listener) net.Listener { return tracked{on, c} }

func (c *connections) add(raw net.Conn) net.Conn {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.set == nil {
		c.set = map[*connection]struct{}{}
	}
	kept := &connection{Conn: raw, of: c}
	c.set[kept] = struct{}{}
	return kept
}

// open is how many there are.
func (c *connections) open() int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return len(c.set)
}

// cut closes all. Their callers notice: nobody else is left to tell an error.
func (c *connections) cut() {
	c.mutex.Lock()
	all := make([]net.Conn, 0, len(c.set))
	for each := range c.set {
		all = append(all, each.Conn)
	}
	c.set = nil
	c.mutex.Unlock()
	for _, each := range all {
		_ = each.Close()
	}
}
