// A collector of OpenTelemetry's own decoder and encoder (go.opentelemetry.io/collector/pdata, which the OpenTelemetry Collector receives
// OTLP with): takes OTLP/HTTP in JSON on 127.0.0.1:PORT, and posts what it has understood, encoded again, to URL.
//
//	collector PORT URL
package main

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"os"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

func take(reply http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		log.Fatal(err)
	}
	export := ptraceotlp.NewExportRequest()
	if err := export.UnmarshalJSON(body); err != nil {
		http.Error(reply, err.Error(), http.StatusBadRequest)
		return
	}
	encoded, err := export.MarshalJSON()
	if err != nil {
		log.Fatal(err)
	}
	sent, err := http.Post(os.Args[2], "application/json", bytes.NewReader(encoded))
	if err != nil {
		log.Fatal(err)
	}
	sent.Body.Close()
	answer, err := ptraceotlp.NewExportResponse().MarshalJSON()
	if err != nil {
		log.Fatal(err)
	}
	reply.Header().Set("Content-Type", "application/json")
	reply.Write(answer)
}

func main() {
	http.HandleFunc("POST /v1/traces", take)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
