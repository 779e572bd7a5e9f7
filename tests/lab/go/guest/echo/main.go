// Echo answers HTTP requests and UDP datagrams with who answered and who asked, so that a test can
// see which pod of which node a load balancer chose and whether the client's address survived.
//
// HTTP: GET /        JSON {"pod", "node", "client", "server", "host", "path", "header"}
//
//	GET /name    the pod's name as plain text
//	GET /node    the node's name as plain text
//	GET /healthz 200, or 503 after POST /unhealthy (POST /healthy puts it right again)
//
// UDP: any datagram is answered with "pod node client-address".
// The names come from the environment variables POD_NAME (default: the host name) and NODE_NAME.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

type identity struct{ pod, node string }

func whoami() identity {
	pod := os.Getenv("POD_NAME")
	if pod == "" {
		pod, _ = os.Hostname()
	}
	return identity{pod, os.Getenv("NODE_NAME")}
}

func handler(me identity) http.Handler {
	var unhealthy atomic.Bool
	mux := http.NewServeMux()
	mux.HandleFunc("/name", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, me.pod) })
	mux.HandleFunc("/node", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, me.node) })
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if unhealthy.Load() {
			http.Error(w, "unhealthy", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("POST /unhealthy", func(http.ResponseWriter, *http.Request) { unhealthy.Store(true) })
	mux.HandleFunc("POST /healthy", func(http.ResponseWriter, *http.Request) { unhealthy.Store(false) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		w.Header().Set("Content-Type", "application/json")
		answer := map[string]any{"pod": me.pod, "node": me.node, "client": r.RemoteAddr, "server": fmt.Sprint(local),
			"host": r.Host, "path": r.URL.Path, "header": r.Header}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			log.Print("answer: ", err)
		}
	})
	return mux
}

func serveDatagrams(address string, me identity) error {
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	buffer := make([]byte, 65535)
	for {
		_, client, err := conn.ReadFrom(buffer)
		if err != nil {
			return err
		}
		if _, err := conn.WriteTo(fmt.Appendf(nil, "%s %s %s\n", me.pod, me.node, client), client); err != nil {
			log.Print("datagram: ", err)
		}
	}
}

func main() {
	listen := flag.String("listen", ":8080", "address of the HTTP and of the UDP server")
	flag.Parse()
	me := whoami()
	failed := make(chan error)
	go func() { failed <- serveDatagrams(*listen, me) }()
	server := &http.Server{Addr: *listen, Handler: handler(me), ReadHeaderTimeout: 10 * time.Second}
	go func() { failed <- server.ListenAndServe() }()
	log.Fatal(<-failed)
}
