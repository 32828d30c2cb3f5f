package ticketinguser

import (
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

// What a service that is newer, or broken, may answer.

func errorOf(t *testing.T, details ...protoadapt.MessageV1) *Error {
	t.Helper()
	answer, err := status.New(codes.Aborted, "text").WithDetails(details...)
	if err != nil {
		t.Fatal(err)
	}
	return newError(answer.Err(), "mine")
}

func TestAReasonThatIsNewKeepsItsName(t *testing.T) {
	failure := errorOf(t,
		&errdetails.ErrorInfo{Reason: "NEW", Domain: domain, Metadata: map[string]string{
			"delivery": "NEW", "origin": "NEW", "attempts": "many", "request_id": "r",
		}},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)})
	if failure.Reason != 0 || failure.ReasonName != "NEW" || failure.Error() != "NEW: text" {
		t.Errorf("got %+v", failure)
	}
	if failure.Delivery != Unknown || failure.Origin != "" || failure.Attempts != nil || failure.RequestID != "r" {
		t.Errorf("got %+v", failure)
	}
	if failure.RetryAfter == nil || *failure.RetryAfter != 1500*time.Millisecond {
		t.Errorf("got %v", failure.RetryAfter)
	}
}

func TestDetailsThatAreSomebodyElsesAreNotRead(t *testing.T) {
	failure := errorOf(t, &errdetails.ErrorInfo{
		Reason: "USER_NOT_FOUND", Domain: "elsewhere", Metadata: map[string]string{"delivery": "NOT_SENT"},
	})
	if failure.ReasonName != "" || failure.Delivery != Unknown || failure.RequestID != "mine" {
		t.Errorf("got %+v", failure)
	}
}
