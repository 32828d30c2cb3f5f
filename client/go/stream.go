package ticketinguser

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	"ticketing-user/client/go/ticketingv1"
)

// Stream is the answer of a delete as it arrives: an io.ReadCloser of the body, and after its end a summary.
//
// Once there is a Header, the delete is done, even if Read ends with an *Error. A Stream is for one goroutine at a time.
type Stream struct {
	call      grpc.ServerStreamingClient[ticketingv1.DeleteTicketingUserStreamResponse]
	cancel    context.CancelFunc
	requestID string
	header    *ticketingv1.StreamHeader
	summary   *ticketingv1.DeleteTicketingUserResponse
	rest      []byte
	end       error
}

// Header is what is known of the answer before its body; nil with ValidateOnly, and for a user that was already absent.
func (stream *Stream) Header() *ticketingv1.StreamHeader { return stream.header }

// Summary is outcome and report. It is there once Read has returned io.EOF, else nil.
func (stream *Stream) Summary() *ticketingv1.DeleteTicketingUserResponse {
	if stream.end != io.EOF {
		return nil
	}
	return stream.summary
}

// Read reads the body.
func (stream *Stream) Read(buffer []byte) (int, error) {
	for len(stream.rest) == 0 && stream.end == nil {
		event, err := stream.call.Recv()
		switch {
		case err != nil:
			stream.finish(err)
		case event.GetSummary() != nil:
			stream.summary = event.GetSummary()
		default:
			stream.rest = event.GetChunk()
		}
	}
	if len(stream.rest) == 0 {
		return 0, stream.end
	}
	count := copy(buffer, stream.rest)
	stream.rest = stream.rest[count:]
	return count, nil
}

// Close reads no further. The delete is not undone.
func (stream *Stream) Close() error {
	stream.cancel()
	return nil
}

func (stream *Stream) begin() error {
	event, err := stream.call.Recv()
	if err != nil {
		stream.finish(err)
		return stream.end
	}
	stream.header = event.GetHeader()
	stream.summary = event.GetSummary()
	return nil
}

func (stream *Stream) finish(err error) {
	switch {
	case !errors.Is(err, io.EOF):
		stream.end = newError(err, stream.requestID)
	case stream.summary == nil:
		stream.end = newError(io.ErrUnexpectedEOF, stream.requestID)
	default:
		stream.end = io.EOF
	}
	stream.cancel()
}
