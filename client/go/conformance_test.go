package ticketinguser_test

// The cases that all callers share: tests/conformance/README.md.

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	ticketinguser "ticketing-user/client/go"
	"ticketing-user/client/go/ticketingv1"
)

type conformanceTable struct {
	Services         map[string]map[string]string
	Headers          map[string]string
	ReasonsElsewhere map[string]string `json:"reasons_elsewhere"`
	Cases            []conformanceCase
}

type conformanceCase struct {
	Name     string
	Service  string
	Token    *string
	Stream   bool
	Before   []json.RawMessage
	Request  json.RawMessage
	Upstream []answer
	Wire     []string
	Response json.RawMessage
	Header   json.RawMessage
	Chunks   []byte
	Error    *expectedError
}

type fieldViolation struct {
	Field, Description string
}

// As in the table, where what is absent is left out.
type expectedError struct {
	Code, Message, Reason, Advice string
	RetryAfter                    *int64 `json:"retry_after_ms"`
	Delivery, Origin              string
	Attempts                      *int
	HTTPStatus                    *int             `json:"http_status"`
	FieldViolations               []fieldViolation `json:"field_violations"`
	Metadata                      map[string]string
}

func readTable(t *testing.T) conformanceTable {
	t.Helper()
	text, err := os.ReadFile("../../tests/conformance/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	// A key that is unknown here would be a promise that is not kept.
	decoder.DisallowUnknownFields()
	var table conformanceTable
	if err := decoder.Decode(&table); err != nil {
		t.Fatal(err)
	}
	return table
}

func TestConformance(t *testing.T) {
	table := readTable(t)
	upstream := startUpstream(t)
	services := map[string]string{}
	for name, settings := range table.Services {
		services[name] = startService(t, upstream.url, settings)
	}
	for _, c := range table.Cases {
		t.Run(c.Name, func(t *testing.T) {
			if c.Service == "" {
				c.Service = "default"
			}
			upstream.play(c.Upstream...)
			checkCase(t, c, services[c.Service], upstream)
			checkWire(t, c, table.Headers, upstream.received())
		})
	}
}

// checkCase makes the calls of a case and compares what came of it.
func checkCase(t *testing.T, c conformanceCase, target string, upstream *upstream) {
	// What gRPC would send again is another test's subject.
	options := ticketinguser.Options{Plaintext: true, DialOptions: []grpc.DialOption{grpc.WithDisableRetry()}}
	if c.Token != nil {
		options.Token = func(context.Context) (string, error) { return *c.Token, nil }
	}
	client := connect(t, target, options)
	for _, text := range c.Before {
		if _, err := client.Delete(context.Background(), parse(t, text, &ticketingv1.DeleteTicketingUserRequest{})); err != nil {
			t.Fatal(err)
		}
	}
	request := parse(t, c.Request, &ticketingv1.DeleteTicketingUserRequest{})
	var response *ticketingv1.DeleteTicketingUserResponse
	var err error
	if c.Stream {
		response, err = checkStream(t, c, client, request)
	} else {
		response, err = client.Delete(context.Background(), request)
	}
	id := response.GetReport().GetRequestId()
	var failure *ticketinguser.Error
	if errors.As(err, &failure) {
		id = failure.RequestID
	}
	for _, request := range upstream.received() {
		if got := request.headers.Get("idempotency-key"); got != id {
			t.Errorf("idempotency-key %q, and the call's request_id is %q", got, id)
		}
	}
	if len(c.Wire) > 0 && request.RequestId != "" && request.RequestId != id {
		t.Errorf("request_id %q, want %q", id, request.RequestId)
	}

	if c.Error != nil {
		if failure == nil {
			t.Fatalf("got %v and %v, want an error", response, err)
		}
		if got := plain(failure); !reflect.DeepEqual(got, *c.Error) {
			t.Errorf("got %s\nwant %s", toJSON(t, got), toJSON(t, *c.Error))
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	want := parse(t, c.Response, &ticketingv1.DeleteTicketingUserResponse{})
	strip(response)
	strip(want)
	if !proto.Equal(response, want) {
		t.Errorf("got %v\nwant %v", response, want)
	}
}

func checkStream(t *testing.T, c conformanceCase, client *ticketinguser.Client,
	request *ticketingv1.DeleteTicketingUserRequest,
) (*ticketingv1.DeleteTicketingUserResponse, error) {
	stream, err := client.DeleteStream(context.Background(), request)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	if c.Header == nil {
		if stream.Header() != nil {
			t.Errorf("got the header %v, want none", stream.Header())
		}
	} else if want := parse(t, c.Header, &ticketingv1.StreamHeader{}); !proto.Equal(stream.Header(), want) {
		t.Errorf("got the header %v, want %v", stream.Header(), want)
	}
	body, err := io.ReadAll(stream)
	if string(body) != string(c.Chunks) {
		t.Errorf("got the body %q, want %q", body, c.Chunks)
	}
	return stream.Summary(), err
}

func checkWire(t *testing.T, c conformanceCase, headers map[string]string, requests []received) {
	targets := []string{}
	for _, request := range requests {
		targets = append(targets, request.target)
		if request.method != "DELETE" {
			t.Errorf("method %s", request.method)
		}
		expected := maps.Clone(headers)
		expected["authorization"] = "Bearer " + token
		if c.Token != nil {
			expected["authorization"] = "Bearer " + *c.Token
		}
		for name, want := range expected {
			if got := request.headers.Get(name); got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
	}
	if !reflect.DeepEqual(targets, c.Wire) {
		t.Errorf("got on the wire %q\nwant %q", targets, c.Wire)
	}
}

// strip removes what differs from call to call.
func strip(response *ticketingv1.DeleteTicketingUserResponse) {
	report := response.GetReport()
	report.RequestId, report.Queued, report.Upstream, report.Total = "", nil, nil, nil
	if plan := response.GetPlannedRequest(); plan != nil {
		delete(plan.Headers, "user-agent")
		_, path, _ := strings.Cut(plan.Url, "/unified")
		plan.Url = "/unified" + path
	}
}

func plain(failure *ticketinguser.Error) expectedError {
	result := expectedError{
		Code: code.Code(failure.Code).String(), Message: failure.Message, Reason: failure.ReasonName, Advice: failure.Advice,
		Delivery: string(failure.Delivery), Origin: string(failure.Origin), Attempts: failure.Attempts,
		HTTPStatus: failure.HTTPStatus,
	}
	if failure.RetryAfter != nil {
		milliseconds := failure.RetryAfter.Milliseconds()
		result.RetryAfter = &milliseconds
	}
	for _, violation := range failure.FieldViolations {
		result.FieldViolations = append(result.FieldViolations, fieldViolation(violation))
	}
	for key, value := range failure.Metadata {
		switch key {
		case "request_id", "attempts", "delivery", "origin", "http_status":
		default:
			if result.Metadata == nil {
				result.Metadata = map[string]string{}
			}
			result.Metadata[key] = value
		}
	}
	return result
}

func parse[Message proto.Message](t *testing.T, text []byte, message Message) Message {
	t.Helper()
	if err := protojson.Unmarshal(text, message); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return message
}

func toJSON(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A new reason needs a case, or a word where else it is provoked.
func TestEveryReasonIsInTheTable(t *testing.T) {
	table := readTable(t)
	seen := map[string]bool{}
	for name := range table.ReasonsElsewhere {
		seen[name] = true
	}
	for _, c := range table.Cases {
		if c.Error == nil {
			continue
		}
		if _, elsewhere := table.ReasonsElsewhere[c.Error.Reason]; elsewhere {
			t.Errorf("%s is in the table, and not elsewhere", c.Error.Reason)
		}
		seen[c.Error.Reason] = true
	}
	for value, name := range ticketingv1.ErrorReason_name {
		if name := strings.TrimPrefix(name, "ERROR_REASON_"); value != 0 && !seen[name] {
			t.Errorf("%s is not in the table", name)
		}
	}
}
