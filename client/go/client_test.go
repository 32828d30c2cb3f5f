package ticketinguser_test

// What the helper promises, against the real service.

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	ticketinguser "ticketing-user/client/go"
	"ticketing-user/client/go/ticketingv1"
)

const (
	helpScout = "62f44730-dd91-461e-bd6a-aedd9e0ad79d"
	account   = "5f0c1e2d-0000-4000-8000-000000001000"
	ana       = "23423524"
)

var oneAttempt = map[string]string{
	"TICKETING_TOKEN_RATE": "0", "TICKETING_ACCOUNT_RATE": "0", "TICKETING_MAX_ATTEMPTS": "1",
}

func request() *ticketingv1.DeleteTicketingUserRequest {
	return &ticketingv1.DeleteTicketingUserRequest{Id: "42", IntegratedAccountId: account}
}

func ofSandbox() *ticketingv1.DeleteTicketingUserRequest {
	return &ticketingv1.DeleteTicketingUserRequest{Id: ana, IntegratedAccountId: helpScout}
}

// failureOf is a call's error, which must be one of this package.
func failureOf(t *testing.T, err error) *ticketinguser.Error {
	t.Helper()
	var failure *ticketinguser.Error
	if !errors.As(err, &failure) {
		t.Fatalf("got %v, want an *Error", err)
	}
	return failure
}

// Success

func TestAUserIsDeleted(t *testing.T) {
	client := connectInPlaintext(t, startSandbox(t))
	request := ofSandbox()
	answer, err := client.Delete(context.Background(), request)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Outcome != ticketingv1.DeleteOutcome_DELETE_OUTCOME_DELETED || answer.GetUser().GetName() != "Ana Souza" {
		t.Errorf("got %v", answer)
	}
	if request.RequestId != "" || len(answer.Report.RequestId) != 36 {
		t.Errorf("the request has the request_id %q, the report %q", request.RequestId, answer.Report.RequestId)
	}
	_, err = client.Delete(context.Background(), request)
	failure := failureOf(t, err)
	if failure.Reason != ticketingv1.ErrorReason_ERROR_REASON_USER_NOT_FOUND {
		t.Errorf("got %v", failure)
	}
	if status.Code(err) != codes.NotFound || len(status.Convert(failure.Unwrap()).Details()) == 0 {
		t.Errorf("gRPC's own error is not within %v", err)
	}
}

func TestEveryResponseFormat(t *testing.T) {
	// Help Scout's own answer to a delete has no body.
	for format, want := range map[string]string{
		"UNSPECIFIED": "user", "UNIFIED": "user", "NORMALIZED": "user", "RAW": "", "STREAM": "raw", "DEBUG": "debug",
	} {
		t.Run(format, func(t *testing.T) {
			request := ofSandbox()
			request.TrutoResponseFormat = ticketingv1.TrutoResponseFormat(
				ticketingv1.TrutoResponseFormat_value["TRUTO_RESPONSE_FORMAT_"+format])
			request.IncludeHttpBody = true
			answer, err := connectInPlaintext(t, startSandbox(t)).Delete(context.Background(), request)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			switch answer.Result.(type) {
			case *ticketingv1.DeleteTicketingUserResponse_User:
				got = "user"
			case *ticketingv1.DeleteTicketingUserResponse_Raw:
				got = "raw"
			case *ticketingv1.DeleteTicketingUserResponse_Debug:
				got = "debug"
			}
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if hasBody := len(answer.GetHttpBody().GetData()) > 0; hasBody != (want != "") {
				t.Errorf("the HTTP body is %v", answer.GetHttpBody())
			}
		})
	}
}

// Streams

func openStream(t *testing.T, size string) *ticketinguser.Stream {
	t.Helper()
	request := ofSandbox()
	request.TrutoResponseFormat = ticketingv1.TrutoResponseFormat_TRUTO_RESPONSE_FORMAT_STREAM
	query, err := ticketinguser.RemoteQuery(map[string]any{"sandbox_stream_bytes": size})
	if err != nil {
		t.Fatal(err)
	}
	request.RemoteQuery = query
	stream, err := connectInPlaintext(t, startSandbox(t)).DeleteStream(context.Background(), request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stream.Close() })
	return stream
}

func TestAStreamIsHandedOnWhole(t *testing.T) {
	stream := openStream(t, "5000000")
	if stream.Header().GetHttpStatus() != 200 || stream.Summary() != nil {
		t.Errorf("got the header %v and the summary %v", stream.Header(), stream.Summary())
	}
	count, err := io.Copy(io.Discard, stream)
	if count != 5000000 || err != nil {
		t.Errorf("read %d bytes, then %v", count, err)
	}
	summary := stream.Summary()
	if summary.GetOutcome() != ticketingv1.DeleteOutcome_DELETE_OUTCOME_DELETED || len(summary.Report.Notes) > 0 {
		t.Errorf("got %v", summary)
	}
}

func TestAStreamNeedNotBeReadToItsEnd(t *testing.T) {
	stream := openStream(t, "1000000000")
	if _, err := io.ReadFull(stream, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	stream.Close()
	_, err := io.Copy(io.Discard, stream)
	if failure := failureOf(t, err); failure.Code != codes.Canceled || stream.Summary() != nil {
		t.Errorf("got %v and %v", failure, stream.Summary())
	}
}

func TestAPlannedStreamHasASummaryAlone(t *testing.T) {
	planned := request()
	planned.ValidateOnly = true
	stream, err := connectInPlaintext(t, startSandbox(t)).DeleteStream(context.Background(), planned)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	body, err := io.ReadAll(stream)
	if len(body) > 0 || err != nil || stream.Header() != nil {
		t.Errorf("got %q, %v and the header %v", body, err, stream.Header())
	}
	if stream.Summary().GetPlannedRequest().GetMethod() != "DELETE" {
		t.Errorf("got %v", stream.Summary())
	}
}

// Errors

func TestNoAnswerIsAnErrorThatAdmitsIt(t *testing.T) {
	client := connect(t, closedAddress(t), ticketinguser.Options{
		Plaintext: true, DialOptions: []grpc.DialOption{grpc.WithDisableRetry()},
	})
	_, err := client.Delete(context.Background(), request())
	failure := failureOf(t, err)
	if failure.Code != codes.Unavailable || failure.Reason != 0 || failure.ReasonName != "" {
		t.Errorf("got %v", failure)
	}
	if failure.Delivery != ticketinguser.Unknown || failure.Origin != "" || failure.Attempts != nil {
		t.Errorf("got %+v", failure)
	}
	if len(failure.RequestID) != 36 || !strings.Contains(failure.Advice, "request_id") {
		t.Errorf("got %+v", failure)
	}
}

// Deadlines

func TestADeadlineAfterTheRequestWasSent(t *testing.T) {
	upstream := startUpstream(t)
	client := connectInPlaintext(t, startService(t, upstream.url, oneAttempt))
	upstream.play(answer{hang: true})
	// The deadline is not for the connection.
	planned := request()
	planned.ValidateOnly = true
	if _, err := client.Delete(context.Background(), planned); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	_, err := client.Delete(ctx, request())
	failure := failureOf(t, err)
	if failure.Code != codes.DeadlineExceeded || failure.Delivery != ticketinguser.Unknown {
		t.Errorf("got %v", failure)
	}
	// A machine that is busy may keep the service's own answer from arriving in time.
	if name := failure.ReasonName; name != "DEADLINE_EXCEEDED_OUTCOME_UNKNOWN" && name != "" {
		t.Errorf("got the reason %s", name)
	}
	if count := len(upstream.received()); count != 1 {
		t.Errorf("%d requests", count)
	}
}

func TestADeadlineTooShortToSendAnything(t *testing.T) {
	upstream := startUpstream(t)
	client := connectInPlaintext(t, startService(t, upstream.url, oneAttempt))
	upstream.play(deleted)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := client.Delete(ctx, request())
	if failure := failureOf(t, err); failure.Code != codes.DeadlineExceeded {
		t.Errorf("got %v", failure)
	}
	if requests := upstream.received(); len(requests) > 0 {
		t.Errorf("got %v", requests)
	}
}

func TestATokensSourceHasTheCallsDeadline(t *testing.T) {
	client := connect(t, closedAddress(t), ticketinguser.Options{
		Plaintext: true,
		Token: func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", errors.New("too late")
		},
	})
	for name, call := range calls(client) {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		err := call(ctx)
		failure := checkNotSent(t, err, codes.DeadlineExceeded)
		// On a machine that is busy the time may be up before the token is asked for.
		if !strings.HasPrefix(failure.Message, "the time was up before ") || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v", name, failure)
		}
	}
}

func TestEveryCallHasADeadline(t *testing.T) {
	var deadline time.Time
	client := connect(t, closedAddress(t), ticketinguser.Options{
		Plaintext: true,
		Token: func(ctx context.Context) (string, error) {
			deadline, _ = ctx.Deadline()
			return "", errors.New("none is left")
		},
	})
	for name, timeout := range map[string]time.Duration{"Delete": 30 * time.Second, "DeleteStream": 10 * time.Minute} {
		earliest := time.Now().Add(timeout)
		failureOf(t, calls(client)[name](context.Background()))
		if deadline.Before(earliest) || deadline.After(time.Now().Add(timeout)) {
			t.Errorf("%s: the deadline is %v, want %v after the call", name, deadline, timeout)
		}
		wanted := time.Now().Add(time.Hour)
		ctx, cancel := context.WithDeadline(context.Background(), wanted)
		defer cancel()
		failureOf(t, calls(client)[name](ctx))
		if !deadline.Equal(wanted) {
			t.Errorf("%s: the deadline is %v, want the context's", name, deadline)
		}
	}
}

// Calls that end before they begin

// calls are the ways to delete the same user.
func calls(client *ticketinguser.Client) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Delete": func(ctx context.Context) error {
			_, err := client.Delete(ctx, request())
			return err
		},
		"DeleteStream": func(ctx context.Context) error {
			_, err := client.DeleteStream(ctx, request())
			return err
		},
	}
}

func checkNotSent(t *testing.T, err error, code codes.Code) *ticketinguser.Error {
	t.Helper()
	failure := failureOf(t, err)
	if failure.Code != code || status.Code(err) != code {
		t.Errorf("got %v, want the code %v", err, code)
	}
	if failure.Delivery != ticketinguser.NotSent || *failure.Attempts != 0 || len(failure.RequestID) != 36 {
		t.Errorf("got %+v", failure)
	}
	if !strings.HasPrefix(failure.Advice, "Nothing was sent.") {
		t.Errorf("got the advice %q", failure.Advice)
	}
	return failure
}

func TestACallThatWasGivenUpBeforeItBeganIsNotSent(t *testing.T) {
	withToken := ticketinguser.Options{
		Plaintext: true, Token: func(context.Context) (string, error) { return "", errors.New("asked for") },
	}
	for _, options := range []ticketinguser.Options{{Plaintext: true}, withToken} {
		for name, call := range calls(connect(t, closedAddress(t), options)) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			err := call(ctx)
			failure := checkNotSent(t, err, codes.Canceled)
			if failure.Message != "given up before anything was sent" || !errors.Is(err, context.Canceled) {
				t.Errorf("%s: got %v", name, failure)
			}
			ctx, cancel = context.WithDeadline(context.Background(), time.Now())
			defer cancel()
			failure = checkNotSent(t, call(ctx), codes.DeadlineExceeded)
			if failure.Message != "the time was up before anything was sent" {
				t.Errorf("%s: got %v", name, failure)
			}
		}
	}
}

func TestACallThatIsGivenUpWhileItsTokenIsAskedForIsNotSent(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	client := connect(t, closedAddress(t), ticketinguser.Options{
		Plaintext: true,
		Token: func(context.Context) (string, error) {
			cancel()
			return "secret", nil
		},
	})
	_, err := client.Delete(ctx, request())
	if failure := checkNotSent(t, err, codes.Canceled); failure.Message != "given up before anything was sent" {
		t.Errorf("got %v", failure)
	}
}

func TestACallOfAClosedClientIsNotSent(t *testing.T) {
	client := connectInPlaintext(t, closedAddress(t))
	client.Close()
	for name, call := range calls(client) {
		if failure := checkNotSent(t, call(context.Background()), codes.Canceled); failure.Message != "the client is closed" {
			t.Errorf("%s: got %v", name, failure)
		}
	}
}

func TestCloseEndsTheCalls(t *testing.T) {
	upstream := startUpstream(t)
	target := startService(t, upstream.url, oneAttempt)
	for name := range calls(nil) {
		client := connectInPlaintext(t, target)
		upstream.play(answer{hang: true})
		ended := make(chan error)
		go func() { ended <- calls(client)[name](context.Background()) }()
		upstream.waitForRequest()
		client.Close()
		failure := failureOf(t, <-ended)
		if failure.Code != codes.Canceled || failure.Delivery != ticketinguser.Unknown {
			t.Errorf("%s: got %v", name, failure)
		}
	}
}

// Retries

func TestTheServicesPushBackIsHeeded(t *testing.T) {
	upstream := startUpstream(t)
	client := connectInPlaintext(t, startService(t, upstream.url, oneAttempt))
	upstream.play(answer{Status: 425}, deleted)
	response, err := client.Delete(context.Background(), request())
	if err != nil {
		t.Fatal(err)
	}
	requests := checkRepeat(t, upstream)
	// The service says 1 s; the client's own back-off would be at most 0.12 s.
	if gap := requests[1].time.Sub(requests[0].time); gap < time.Second {
		t.Errorf("repeated after %v", gap)
	}
	if key := requests[0].headers.Get("idempotency-key"); key != response.Report.RequestId {
		t.Errorf("the key was %q, and the request_id is %q", key, response.Report.RequestId)
	}
}

func TestAStreamIsRepeatedLikewise(t *testing.T) {
	upstream := startUpstream(t)
	client := connectInPlaintext(t, startService(t, upstream.url, oneAttempt))
	upstream.play(answer{Status: 425}, deleted)
	stream, err := client.DeleteStream(context.Background(), request())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if body, err := io.ReadAll(stream); string(body) != deleted.Body || err != nil {
		t.Errorf("got %q and %v", body, err)
	}
	checkRepeat(t, upstream)
}

// checkRepeat expects two requests under one key.
func checkRepeat(t *testing.T, upstream *upstream) []received {
	t.Helper()
	requests := upstream.received()
	if len(requests) != 2 {
		t.Fatalf("got %d requests, want 2", len(requests))
	}
	first, second := requests[0].headers.Get("idempotency-key"), requests[1].headers.Get("idempotency-key")
	if first == "" || first != second {
		t.Errorf("the keys are %q and %q", first, second)
	}
	return requests
}

func TestNothingElseIsRepeated(t *testing.T) {
	upstream := startUpstream(t)
	client := connectInPlaintext(t, startService(t, upstream.url, oneAttempt))
	for _, step := range []answer{
		{Status: 429, Headers: map[string]string{"retry-after": "1"}}, {Status: 500}, {Status: 409},
	} {
		upstream.play(step, deleted)
		_, err := client.Delete(context.Background(), request())
		failureOf(t, err)
		if count := len(upstream.received()); count != 1 {
			t.Errorf("%d requests after a %d", count, step.Status)
		}
	}
}

func connectToBoth(t *testing.T, first, second string) *ticketinguser.Client {
	t.Helper()
	addresses := manual.NewBuilderWithScheme("both")
	addresses.InitialState(resolver.State{Addresses: []resolver.Address{{Addr: first}, {Addr: second}}})
	return connect(t, "both:///", ticketinguser.Options{
		Plaintext: true, DialOptions: []grpc.DialOption{grpc.WithResolvers(addresses)},
	})
}

func TestARepeatAfterAReplicaThatDiedDoesNotHideItsDelete(t *testing.T) {
	upstream := startUpstream(t)
	absent := answer{
		Status: 404, Headers: map[string]string{"content-type": "application/json"},
		Body: `{"statusCode":404,"error":"Not Found","message":"No such user"}`,
	}
	upstream.play(answer{hang: true}, absent)
	// The token tells which one has sent the request.
	addresses, processes := map[string]string{}, map[string]*os.Process{}
	for _, token := range []string{"first", "second"} {
		settings := maps.Clone(oneAttempt)
		settings["TRUTO_API_TOKEN"] = token
		addresses[token], processes[token] = startServiceProcess(t, upstream.url, settings)
	}
	client := connectToBoth(t, addresses["first"], addresses["second"])
	ended := make(chan error)
	go func() { ended <- calls(client)["Delete"](context.Background()) }()
	token := strings.TrimPrefix(upstream.waitForRequest().headers.Get("authorization"), "Bearer ")
	if err := processes[token].Kill(); err != nil {
		t.Fatal(err)
	}
	failure := failureOf(t, <-ended)
	checkRepeat(t, upstream)
	if failure.Reason != ticketingv1.ErrorReason_ERROR_REASON_ABSENT_AFTER_AMBIGUOUS_ATTEMPT ||
		failure.Delivery != ticketinguser.Unknown || failure.Metadata["previous_rpc_attempts"] != "1" {
		t.Errorf("got %+v", failure)
	}
}

func TestCallsGoToAllAddressesThatStay(t *testing.T) {
	// Each says in its plan where it would send the request. The end comes long after the test.
	settings := map[string]string{"TICKETING_DRAIN_DELAY": "10m"}
	first, process := startServiceProcess(t, "http://127.0.0.1:1", settings)
	second := startService(t, "http://127.0.0.1:2", settings)
	client := connectToBoth(t, first, second)
	planned := request()
	planned.ValidateOnly = true
	// In how many calls in a row the one with this URL was called, of 10,000 calls at most.
	callsInARow := func(url string, want int) int {
		count := 0
		for i := 0; i < 10000 && count < want; i++ {
			answer, err := client.Delete(context.Background(), planned)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(answer.GetPlannedRequest().GetUrl(), url) {
				count++
			} else {
				count = 0
			}
		}
		return count
	}
	if callsInARow("http://127.0.0.1:1/", 1) != 1 || callsInARow("http://127.0.0.1:2/", 1) != 1 {
		t.Error("one was not called")
	}
	if err := process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	// In turn the first would be called again at once.
	if count := callsInARow("http://127.0.0.1:2/", 20); count != 20 {
		t.Errorf("the one that is about to end is still called")
	}
}

// Values that must survive

func TestAnIntegerThatWouldChangeIsRefused(t *testing.T) {
	const beyond = 1<<53 + 1
	for _, value := range []any{
		beyond, int64(-beyond), uint64(1 << 63), uint(beyond), uintptr(beyond), json.Number("100000000000000000000"),
	} {
		_, err := ticketinguser.RemoteQuery(map[string]any{"a": []any{1, value}})
		if err == nil || !strings.Contains(err.Error(), "remote_query.a[1]: ") {
			t.Errorf("%v: got %v", value, err)
		}
	}
}

func TestWhatIsNoJSONIsRefused(t *testing.T) {
	for want, value := range map[string]any{
		"remote_query.a: a struct {} is no JSON":          struct{}{},
		"remote_query.a: a []uint8 is no JSON":            []byte("secret"),
		"remote_query.a: a json.RawMessage is no JSON":    json.RawMessage("1"),
		"remote_query.a: a uuid.UUID is no JSON":          uuid.Nil,
		"remote_query.a: a time.Time is no JSON":          time.Time{},
		"remote_query.a: a net.IP is no JSON":             net.IPv4zero,
		"remote_query.a: a *string is no JSON":            new(string),
		"remote_query.a: a map[int]string is no JSON":     map[int]string{1: "b"},
		"remote_query.a.b[1]: a complex128 is no JSON":    map[string][]any{"b": {1, 2i}},
		"remote_query.a[0]: NaN is no JSON":               []float64{math.NaN()},
		"remote_query.a: -Inf is no JSON":                 float32(math.Inf(-1)),
		"remote_query.a: value out of range":              json.Number("1e400"),
		"remote_query.a: invalid syntax":                  json.Number("1 000"),
		`remote_query.a: "\xff" is not UTF-8`:             "\xff",
		`remote_query.a: the key "\xff" is not UTF-8`:     map[string]string{"\xff": "b"},
		"remote_query.a.b: a func() is no JSON":           map[string]func(){"b": func() {}},
		"remote_query.a[1]: a map[bool]string is no JSON": []any{nil, map[bool]string{}},
	} {
		_, err := ticketinguser.RemoteQuery(map[string]any{"a": value})
		if err == nil || err.Error() != "ticketinguser: "+want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestEverythingElseThatIsJSONIsTaken(t *testing.T) {
	type name string
	query, err := ticketinguser.RemoteQuery(map[string]any{
		"texts": []string{"Ω 😀", ""}, "named": map[name]name{"größe": "ß"}, "numbers": [2]int16{-1, 1},
		"floats": []float32{0.5}, "nested": []map[string][]bool{{"a": {true, false}}}, "byte": byte(7),
		"exponent": json.Number("1e3"), "none": []any(nil), "duration": 2 * time.Nanosecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	want, err := structpb.NewStruct(map[string]any{
		"texts": []any{"Ω 😀", ""}, "named": map[string]any{"größe": "ß"}, "numbers": []any{-1, 1},
		"floats": []any{0.5}, "nested": []any{map[string]any{"a": []any{true, false}}}, "byte": 7,
		"exponent": 1000, "none": []any{}, "duration": 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(query, want) {
		t.Errorf("got %v, want %v", query, want)
	}
}

func TestAnIntegerThatADoubleCarriesIsTaken(t *testing.T) {
	query, err := ticketinguser.RemoteQuery(map[string]any{
		"a": 1 << 53, "b": json.Number("0.1"), "c": map[string]any{"d": "9223372036854775807"}, "e": nil,
	})
	if err != nil {
		t.Fatal(err)
	}
	if query.Fields["a"].GetNumberValue() != 1<<53 || query.Fields["b"].GetNumberValue() != 0.1 {
		t.Errorf("got %v", query)
	}
	if query.Fields["c"].GetStructValue().Fields["d"].GetStringValue() != "9223372036854775807" {
		t.Errorf("got %v", query)
	}
	if _, isNull := query.Fields["e"].Kind.(*structpb.Value_NullValue); !isNull {
		t.Errorf("got %v", query)
	}
}

// TLS and tokens

func startMutualTLS(t *testing.T, upstream *upstream) (*authority, string) {
	t.Helper()
	authority := newAuthority(t)
	certificate, key := authority.issue(t, "ticketing.example")
	return authority, startService(t, upstream.url, map[string]string{
		"TICKETING_TLS_CERT_FILE": certificate, "TICKETING_TLS_KEY_FILE": key,
		"TICKETING_TLS_CLIENT_CA_FILE": authority.caFile(), "TICKETING_ALLOWED_CLIENTS": "allowed.example",
	})
}

func optionsFor(t *testing.T, authority *authority, caller string) ticketinguser.Options {
	t.Helper()
	certificate, key := authority.issue(t, caller)
	return ticketinguser.Options{
		CAFile: authority.caFile(), CertificateFile: certificate, KeyFile: key, ServerName: "ticketing.example",
	}
}

func TestACallerWithACertificateIsLetIn(t *testing.T) {
	upstream := startUpstream(t)
	authority, target := startMutualTLS(t, upstream)
	upstream.play(deleted)
	answer, err := connect(t, target, optionsFor(t, authority, "allowed.example")).Delete(context.Background(), request())
	if err != nil || answer.GetUser().GetId() != "42" {
		t.Errorf("got %v and %v", answer, err)
	}
}

func TestACallerWithAnotherCertificateIsNotAllowed(t *testing.T) {
	upstream := startUpstream(t)
	authority, target := startMutualTLS(t, upstream)
	upstream.play(deleted)
	_, err := connect(t, target, optionsFor(t, authority, "other.example")).Delete(context.Background(), request())
	failure := failureOf(t, err)
	if failure.Reason != ticketingv1.ErrorReason_ERROR_REASON_CALLER_NOT_ALLOWED ||
		failure.Delivery != ticketinguser.NotSent {
		t.Errorf("got %v", failure)
	}
	if requests := upstream.received(); len(requests) > 0 {
		t.Errorf("got %v", requests)
	}
}

func TestAConnectionThatIsNotAsAgreedIsNone(t *testing.T) {
	upstream := startUpstream(t)
	authority, target := startMutualTLS(t, upstream)
	for wrong, change := range map[string]func(*ticketinguser.Options){
		"no certificate":             func(o *ticketinguser.Options) { o.CertificateFile, o.KeyFile = "", "" },
		"another name of the server": func(o *ticketinguser.Options) { o.ServerName = "elsewhere.example" },
		"an authority of nobody":     func(o *ticketinguser.Options) { o.CAFile = newAuthority(t).caFile() },
	} {
		t.Run(wrong, func(t *testing.T) {
			upstream.play(deleted)
			options := optionsFor(t, authority, "allowed.example")
			change(&options)
			_, err := connect(t, target, options).Delete(context.Background(), request())
			if failure := failureOf(t, err); failure.Code != codes.Unavailable {
				t.Errorf("got %v", failure)
			}
			if requests := upstream.received(); len(requests) > 0 {
				t.Errorf("got %v", requests)
			}
		})
	}
}

func TestEachCallAsksForItsToken(t *testing.T) {
	upstream := startUpstream(t)
	authority := newAuthority(t)
	certificate, key := authority.issue(t, "ticketing.example")
	target := startService(t, upstream.url, map[string]string{
		"TICKETING_TLS_CERT_FILE": certificate, "TICKETING_TLS_KEY_FILE": key, "TICKETING_AUTH": "caller",
	})
	tokens := []string{"first", "second"}
	client := connect(t, target, ticketinguser.Options{
		CAFile: authority.caFile(), ServerName: "ticketing.example",
		Token: func(context.Context) (string, error) {
			if len(tokens) == 0 {
				return "", errors.New("none is left")
			}
			next := tokens[0]
			tokens = tokens[1:]
			return next, nil
		},
	})
	upstream.play(deleted, deleted)
	for range 2 {
		if _, err := client.Delete(context.Background(), request()); err != nil {
			t.Fatal(err)
		}
	}
	_, err := client.Delete(context.Background(), request())
	failure := failureOf(t, err)
	if failure.Delivery != ticketinguser.NotSent || failure.Message != "no token for the call: none is left" ||
		status.Code(err) != codes.Unauthenticated {
		t.Errorf("got %+v", failure)
	}
	requests := upstream.received()
	if len(requests) != 2 || requests[0].headers.Get("authorization") != "Bearer first" ||
		requests[1].headers.Get("authorization") != "Bearer second" {
		t.Errorf("got %v", requests)
	}
}

func TestATokenThatNoHeaderCarriesIsNotSent(t *testing.T) {
	upstream := startUpstream(t)
	target := startService(t, upstream.url, nil)
	for _, token := range []string{"", "secret\n", " secret", "sec ret", "sec\x00ret", "secr\u00e9t"} {
		client := connect(t, target, ticketinguser.Options{
			Plaintext: true, Token: func(context.Context) (string, error) { return token, nil },
		})
		upstream.play(deleted, deleted)
		for name, call := range calls(client) {
			failure := checkNotSent(t, call(context.Background()), codes.Unauthenticated)
			if failure.Advice != "Nothing was sent. Have the token's source mended." {
				t.Errorf("%s: got the advice %q", name, failure.Advice)
			}
			text := failure.Error()
			if !strings.Contains(text, "no token for the call: ") || strings.Contains(text, "sec") {
				t.Errorf("%s: got %v", name, text)
			}
		}
		if requests := upstream.received(); len(requests) > 0 {
			t.Errorf("%q: got %v", token, requests)
		}
	}
}

func TestATokenLeavesTheMachineOverTLSAlone(t *testing.T) {
	for target, refused := range map[string]bool{
		"ticketing.example:50051": true, "dns:///ticketing.example:50051": true, "localhost.example:50051": true,
		"10.0.0.1:50051": true, "passthrough:///10.0.0.1:50051": true, "localhost": true,
		"localhost:50051": false, "dns:///localhost:50051": false, "127.0.0.1:50051": false, "[::1]:50051": false,
		"unix:/run/ticketing": false,
	} {
		client, err := ticketinguser.Connect(target, ticketinguser.Options{
			Plaintext: true, Token: func(context.Context) (string, error) { return "secret", nil },
		})
		if (err != nil) != refused {
			t.Errorf("%s: got %v", target, err)
		}
		if client != nil {
			client.Close()
		}
	}
}

func TestOptionsThatContradictEachOtherAreRefused(t *testing.T) {
	authority := newAuthority(t)
	certificate, key := authority.issue(t, "allowed.example")
	for _, options := range []ticketinguser.Options{
		{Plaintext: true, ServerName: "a"},
		{CertificateFile: certificate},
		{CAFile: key},
		{CAFile: filepath.Join(authority.folder, "absent.pem")},
	} {
		if _, err := ticketinguser.Connect("localhost:1", options); err == nil {
			t.Errorf("%+v is taken", options)
		}
	}
}

// The examples

func TestTheReadmesSampleCompilesAsPrinted(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```go\n")
	sample, _, found := strings.Cut(rest, "```\n")
	if !found {
		t.Fatal("there is no sample")
	}
	source := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(source, []byte(sample), 0o600); err != nil {
		t.Fatal(err)
	}
	if output, err := exec.Command("go", "vet", source).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, output)
	}
	if output, err := exec.Command("gofmt", "-l", source).CombinedOutput(); err != nil || len(output) > 0 {
		t.Errorf("%v: not formatted as by gofmt: %s", err, output)
	}
}

func TestTheExampleRuns(t *testing.T) {
	program := filepath.Join(t.TempDir(), "example")
	if output, err := exec.Command("go", "build", "-o", program, "./example").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	target := startSandbox(t)
	var output, errorOutput bytes.Buffer
	run := func() error {
		output.Reset()
		errorOutput.Reset()
		command := exec.Command(program, "-plaintext", target, ana, helpScout)
		command.Stdout, command.Stderr = &output, &errorOutput
		return command.Run()
	}
	if err := run(); err != nil || output.String() != "DELETE_OUTCOME_DELETED 23423524 Ana Souza\n" {
		t.Errorf("%v: %s%s", err, output.String(), errorOutput.String())
	}
	err := run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.HasPrefix(errorOutput.String(), "USER_NOT_FOUND: ") {
		t.Errorf("%v: %s%s", err, output.String(), errorOutput.String())
	}
}
