// Command etcd is etcd's own main: the repository's is in a module of its own
// that is not published.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}
