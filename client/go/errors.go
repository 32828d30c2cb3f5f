package ticketinguser

import (
	"fmt"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"ticketing-user/client/go/ticketingv1"
)

const (
	domain   = "ticketing.v1.TicketingUserService"
	noAnswer = "The service gave no answer of its own: look whether the user is still there, or repeat the call with the " +
		"same request_id and allow_missing."
	nothingSent = "Nothing was sent."
	mendToken   = nothingSent + " Have the token's source mended."
)

// Delivery is how far a delete got, the worst of all its attempts.
type Delivery string

const (
	// NotSent: nothing can have been executed.
	NotSent Delivery = "NOT_SENT"
	// Rejected: it was sent, and provably not executed.
	Rejected Delivery = "REJECTED"
	// Unknown: the user may have been deleted.
	Unknown Delivery = "UNKNOWN"
)

// Origin is who decided. It is empty when it was gRPC itself, on the caller's side or on the way.
type Origin string

const (
	Service  Origin = "SERVICE"
	Truto    Origin = "TRUTO"
	Provider Origin = "PROVIDER"
)

// FieldViolation is what is wrong with a field of the request.
type FieldViolation struct {
	Field, Description string
}

// Error is a delete that the service did not confirm.
//
// Without an answer of the service (it could not be reached, the deadline passed on the caller's side, the request was
// beyond gRPC's limits) there is no reason, and Delivery is Unknown, since only the service can know better. It is NotSent
// for a call that ended before it began: without a token, by its context, or since the client is closed.
type Error struct {
	Code    codes.Code
	Message string
	// Reason is ERROR_REASON_UNSPECIFIED for none, and for one that is newer than this package; then see ReasonName.
	Reason ticketingv1.ErrorReason
	// ReasonName is as on the wire: "USER_NOT_FOUND".
	ReasonName string
	// Advice is what to do, in words.
	Advice, AdviceURL string
	// RetryAfter is when to come back, where that helps.
	RetryAfter *time.Duration
	Delivery   Delivery
	// Attempts is how many HTTP requests were made; nil when that is not known.
	Attempts *int
	// RequestID is the name of the delete: repeat it under the same.
	RequestID string
	Origin    Origin
	// HTTPStatus is nil when there was no answer.
	HTTPStatus      *int
	FieldViolations []FieldViolation
	// Metadata is all that the ErrorInfo says, such as missing_scopes.
	Metadata map[string]string

	cause  error
	answer *status.Status
}

func (e *Error) Error() string {
	name := e.ReasonName
	if name == "" {
		name = e.Code.String()
	}
	return fmt.Sprintf("%s: %s", name, e.Message)
}

// Unwrap returns gRPC's error, of which status.FromError makes a status with all details, or why nothing was sent.
func (e *Error) Unwrap() error { return e.cause }

// GRPCStatus lets status.Code and the like see through it.
func (e *Error) GRPCStatus() *status.Status { return e.answer }

func newError(cause error, requestID string) *Error {
	answer := status.Convert(cause)
	e := &Error{
		Code: answer.Code(), Message: answer.Message(), Advice: noAnswer, Delivery: Unknown, RequestID: requestID,
		cause: cause, answer: answer,
	}
	for _, detail := range answer.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if detail.Domain == domain {
				e.readInfo(detail)
			}
		case *errdetails.RetryInfo:
			delay := detail.GetRetryDelay().AsDuration()
			e.RetryAfter = &delay
		case *errdetails.BadRequest:
			for _, violation := range detail.FieldViolations {
				e.FieldViolations = append(e.FieldViolations, FieldViolation{violation.Field, violation.Description})
			}
		case *errdetails.Help:
			if len(detail.Links) > 0 {
				e.Advice, e.AdviceURL = detail.Links[0].Description, detail.Links[0].Url
			}
		}
	}
	return e
}

func (e *Error) readInfo(info *errdetails.ErrorInfo) {
	e.ReasonName = info.Reason
	e.Reason = ticketingv1.ErrorReason(ticketingv1.ErrorReason_value["ERROR_REASON_"+info.Reason])
	e.Metadata = info.Metadata
	switch delivery := Delivery(info.Metadata["delivery"]); delivery {
	case NotSent, Rejected, Unknown:
		e.Delivery = delivery
	}
	switch origin := Origin(info.Metadata["origin"]); origin {
	case Service, Truto, Provider:
		e.Origin = origin
	}
	e.Attempts = number(info.Metadata["attempts"])
	e.HTTPStatus = number(info.Metadata["http_status"])
	if id := info.Metadata["request_id"]; id != "" {
		e.RequestID = id
	}
}

func number(text string) *int {
	value, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return nil
	}
	number := int(value)
	return &number
}

// notSent is the error of a call that ended before gRPC had it.
func notSent(code codes.Code, message, advice string, cause error, requestID string) *Error {
	attempts := 0
	return &Error{
		Code: code, Message: message, Advice: advice, Delivery: NotSent, Attempts: &attempts, RequestID: requestID,
		cause: cause, answer: status.New(code, message),
	}
}
