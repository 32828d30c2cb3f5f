package ticketinguser_test

// The programs that the tests run: the real service, the sandbox, and an upstream that plays a script.

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ticketinguser "ticketing-user/client/go"
)

const token = "conformance-token"

// start starts the program whose path is in an environment variable, and returns the first line of output with a text.
func start(t *testing.T, variable string, arguments []string, environment map[string]string, text string) (
	string, *os.Process,
) {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		t.Fatalf("%s must be the path of the built program", variable)
	}
	command := exec.Command(path, arguments...)
	command.Env = []string{}
	for name, value := range environment {
		command.Env = append(command.Env, name+"="+value)
	}
	output, input, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	command.Stdout, command.Stderr = input, input
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	input.Close()
	read := make(chan struct{})
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
		<-read
		output.Close()
	})
	lines := bufio.NewReader(output)
	var seen strings.Builder
	for {
		line, err := lines.ReadString('\n')
		seen.WriteString(line)
		if err != nil {
			close(read)
			t.Fatalf("%s ended without a line with %q:\n%s", path, text, seen.String())
		}
		if strings.Contains(line, text) {
			go func() {
				defer close(read)
				io.Copy(io.Discard, lines)
			}()
			return strings.TrimSpace(line), command.Process
		}
	}
}

// startService starts the service in front of a URL and returns its address.
func startService(t *testing.T, trutoURL string, settings map[string]string) string {
	t.Helper()
	address, _ := startServiceProcess(t, trutoURL, settings)
	return address
}

func startServiceProcess(t *testing.T, trutoURL string, settings map[string]string) (string, *os.Process) {
	t.Helper()
	environment := map[string]string{
		"TICKETING_LISTEN":       "127.0.0.1:0",
		"TICKETING_ADMIN_LISTEN": "127.0.0.1:0",
		"TRUTO_BASE_URL":         trutoURL,
		"TRUTO_API_TOKEN":        token,
	}
	for name, value := range settings {
		environment[name] = value
	}
	line, process := start(t, "TICKETING_SERVICE", nil, environment, `"listening"`)
	var listening struct{ Address string }
	if err := json.Unmarshal([]byte(line), &listening); err != nil {
		t.Fatal(err)
	}
	return listening.Address, process
}

// startSandbox starts the sandbox, without limits of its own, and a service in front of it.
func startSandbox(t *testing.T) string {
	t.Helper()
	flags := []string{"--listen", "127.0.0.1:0", "--account-limit", "0", "--token-limit", "0"}
	line, _ := start(t, "TICKETING_SANDBOX", flags, nil, "listening on ")
	return startService(t, line[strings.Index(line, "http://"):], map[string]string{"TRUTO_API_TOKEN": "sandbox-token"})
}

func connect(t *testing.T, target string, options ticketinguser.Options) *ticketinguser.Client {
	t.Helper()
	client, err := ticketinguser.Connect(target, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func connectInPlaintext(t *testing.T, target string) *ticketinguser.Client {
	t.Helper()
	return connect(t, target, ticketinguser.Options{Plaintext: true})
}

type received struct {
	method, target string
	headers        http.Header
	time           time.Time
}

// answer is one step of an upstream's script.
type answer struct {
	Status       int
	Headers      map[string]string
	Body         string
	Base64       string
	MissingBytes int `json:"missing_bytes"`
	Close        bool
	hang         bool
}

var deleted = answer{
	Status: 200, Headers: map[string]string{"content-type": "application/json"}, Body: `{"id":"42"}`,
}

// upstream answers each request with the next answer of its script, and closes the connection.
type upstream struct {
	url     string
	lock    sync.Mutex
	arrived *sync.Cond
	// Guarded by lock.
	requests []received
	script   []answer
}

func startUpstream(t *testing.T) *upstream {
	u := &upstream{}
	u.arrived = sync.NewCond(&u.lock)
	released := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		u.lock.Lock()
		u.requests = append(u.requests, received{request.Method, request.RequestURI, request.Header, time.Now()})
		u.arrived.Broadcast()
		// No case expects a teapot: a request too many is seen.
		step := answer{Status: 418}
		if len(u.script) > 0 {
			step, u.script = u.script[0], u.script[1:]
		}
		u.lock.Unlock()
		connection, stream, err := writer.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer connection.Close()
		if step.hang {
			<-released
		} else if !step.Close {
			step.write(stream.Writer)
		}
	}))
	t.Cleanup(func() {
		close(released)
		server.Close()
	})
	u.url = server.URL
	return u
}

// By hand, for lengths that are wrong and no header that was not asked for.
func (step answer) write(writer *bufio.Writer) {
	body := []byte(step.Body)
	if step.Base64 != "" {
		body, _ = base64.StdEncoding.DecodeString(step.Base64)
	}
	fmt.Fprintf(writer, "HTTP/1.1 %d \r\nconnection: close\r\n", step.Status)
	for name, value := range step.Headers {
		fmt.Fprintf(writer, "%s: %s\r\n", name, value)
	}
	if step.Status != http.StatusNoContent {
		fmt.Fprintf(writer, "content-length: %d\r\n", len(body)+step.MissingBytes)
	}
	writer.WriteString("\r\n")
	writer.Write(body)
	writer.Flush()
}

// play forgets what was, and answers with a script from now on.
func (u *upstream) play(script ...answer) {
	u.lock.Lock()
	defer u.lock.Unlock()
	u.requests, u.script = nil, slices.Clone(script)
}

func (u *upstream) received() []received {
	u.lock.Lock()
	defer u.lock.Unlock()
	return slices.Clone(u.requests)
}

// waitForRequest returns the first request, once there is one.
func (u *upstream) waitForRequest() received {
	u.lock.Lock()
	defer u.lock.Unlock()
	for len(u.requests) == 0 {
		u.arrived.Wait()
	}
	return u.requests[0]
}

// closedAddress is one at which nobody listens.
func closedAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
