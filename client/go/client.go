// Package ticketinguser calls the ticketing-user service, which deletes users from ticketing systems.
//
// The messages are in the package ticketingv1.
package ticketinguser

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // which the service config asks for
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"ticketing-user/client/go/ticketingv1"
)

const (
	// Deadline is that of a Delete whose context has none, as in the service, which cuts longer ones to 60 s by default.
	Deadline = 30 * time.Second
	// StreamDeadline is the same for a DeleteStream, which may take up to an hour once its answer has begun.
	StreamDeadline = 10 * time.Minute
)

//go:embed service_config.json
var serviceConfig string

var errClosed = errors.New("the client is closed")

// Options say how to reach the service. What is in files is read by Connect.
type Options struct {
	// Plaintext is without TLS.
	Plaintext bool
	// CAFile has the authorities to trust, and no others; without it the system's are.
	CAFile string
	// CertificateFile and KeyFile say who the caller is, for a service that asks for certificates (mTLS).
	CertificateFile, KeyFile string
	// ServerName is the name that the service's certificate must have, if it is not the target's.
	ServerName string
	// Token returns Truto's token, for a service with TICKETING_AUTH=caller. It is asked anew for each call, and its time is
	// the call's: the context has the call's deadline.
	Token func(context.Context) (string, error)
	// DialOptions are gRPC's own; they go before those of this package.
	DialOptions []grpc.DialOption
}

// Client deletes users. It is for any number of goroutines at a time.
type Client struct {
	connection *grpc.ClientConn
	stub       ticketingv1.TicketingUserServiceClient
	token      func(context.Context) (string, error)
	closed     atomic.Bool
}

// Connect returns a client of the service at target, such as "ticketing.example:50051"; nothing is sent yet.
//
// The connection balances over all addresses of the target (round robin) that say that they are healthy. It repeats a call
// that ended as UNAVAILABLE, when the service says that it may, or whose connection broke, at most 3 times;
// service_config.json has the numbers.
func Connect(target string, options Options) (*Client, error) {
	transport, err := transportCredentials(target, options)
	if err != nil {
		return nil, fmt.Errorf("ticketinguser: %w", err)
	}
	all := append([]grpc.DialOption{
		grpc.WithTransportCredentials(transport), grpc.WithDefaultServiceConfig(serviceConfig),
	}, options.DialOptions...)
	connection, err := grpc.NewClient(target, all...)
	if err != nil {
		return nil, fmt.Errorf("ticketinguser: %w", err)
	}
	stub := ticketingv1.NewTicketingUserServiceClient(connection)
	return &Client{connection: connection, stub: stub, token: options.Token}, nil
}

// Close ends all calls and the connection.
func (client *Client) Close() error {
	client.closed.Store(true)
	return client.connection.Close()
}

// Delete deletes one user. Any error of the call is an *Error.
//
// Without a RequestId a new one is made, so that all that gRPC sends of one call is one delete to Truto; the error has it,
// to repeat the delete under. The request is not changed.
func (client *Client) Delete(ctx context.Context, request *ticketingv1.DeleteTicketingUserRequest) (
	*ticketingv1.DeleteTicketingUserResponse, error,
) {
	request = named(request)
	ctx, cancel := withDeadline(ctx, Deadline)
	defer cancel()
	ctx, err := client.authorize(ctx, request.RequestId)
	if err != nil {
		return nil, err
	}
	response, err := client.stub.DeleteTicketingUser(ctx, request)
	if err != nil {
		return nil, newError(err, request.RequestId)
	}
	return response, nil
}

// DeleteStream deletes one user and hands on the answer's body as it arrives; otherwise as Delete. The stream must be
// closed.
func (client *Client) DeleteStream(ctx context.Context, request *ticketingv1.DeleteTicketingUserRequest) (
	*Stream, error,
) {
	request = named(request)
	ctx, cancel := withDeadline(ctx, StreamDeadline)
	ctx, err := client.authorize(ctx, request.RequestId)
	if err != nil {
		cancel()
		return nil, err
	}
	call, err := client.stub.DeleteTicketingUserStream(
		ctx, &ticketingv1.DeleteTicketingUserStreamRequest{Request: request})
	if err != nil {
		cancel()
		return nil, newError(err, request.RequestId)
	}
	stream := &Stream{call: call, cancel: cancel, requestID: request.RequestId}
	// A delete that failed has no other event.
	if err := stream.begin(); err != nil {
		cancel()
		return nil, err
	}
	return stream, nil
}

func named(request *ticketingv1.DeleteTicketingUserRequest) *ticketingv1.DeleteTicketingUserRequest {
	if request.GetRequestId() != "" {
		return request
	}
	copied := &ticketingv1.DeleteTicketingUserRequest{}
	if request != nil {
		copied = proto.CloneOf(request)
	}
	copied.RequestId = uuid.NewString()
	return copied
}

func withDeadline(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if _, there := ctx.Deadline(); there {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, timeout)
}

// authorize gives a call its token, or returns the *Error of one that ends before gRPC has it.
func (client *Client) authorize(ctx context.Context, requestID string) (context.Context, error) {
	if err := client.checkWanted(ctx, requestID); err != nil || client.token == nil {
		return ctx, err
	}
	token, err := client.token(ctx)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		const message = "the time was up before there was a token"
		return ctx, notSent(codes.DeadlineExceeded, message, mendToken, ctx.Err(), requestID)
	}
	if err := client.checkWanted(ctx, requestID); err != nil {
		return ctx, err
	}
	if err == nil && !isToken(token) {
		// gRPC's own complaint would show it.
		err = errors.New("what there is is empty, or has characters that a token can't have")
	}
	if err != nil {
		return ctx, notSent(codes.Unauthenticated, "no token for the call: "+err.Error(), mendToken, err, requestID)
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token), nil
}

func (client *Client) checkWanted(ctx context.Context, requestID string) error {
	err := ctx.Err()
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return notSent(codes.DeadlineExceeded, "the time was up before anything was sent", nothingSent, err, requestID)
	case err != nil:
		return notSent(codes.Canceled, "given up before anything was sent", nothingSent, err, requestID)
	case client.closed.Load():
		return notSent(codes.Canceled, errClosed.Error(), nothingSent, errClosed, requestID)
	}
	return nil
}

func isToken(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

func transportCredentials(target string, options Options) (credentials.TransportCredentials, error) {
	if options.Plaintext {
		if options.CAFile != "" || options.CertificateFile != "" || options.KeyFile != "" || options.ServerName != "" {
			return nil, errors.New("a plaintext connection has no authorities, certificate, key or server name")
		}
		if options.Token != nil && !isLoopback(target) {
			return nil, fmt.Errorf("a token goes to %s over TLS only, not in plaintext", target)
		}
		return insecure.NewCredentials(), nil
	}
	if (options.CertificateFile == "") != (options.KeyFile == "") {
		return nil, errors.New("CertificateFile and KeyFile belong together: give both or neither")
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: options.ServerName}
	if options.CAFile != "" {
		authorities, err := os.ReadFile(options.CAFile)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(authorities) {
			return nil, fmt.Errorf("%s has no certificate", options.CAFile)
		}
	}
	if options.CertificateFile != "" {
		certificate, err := tls.LoadX509KeyPair(options.CertificateFile, options.KeyFile)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	return credentials.NewTLS(config), nil
}

func isLoopback(target string) bool {
	if strings.HasPrefix(target, "unix:") {
		return true
	}
	host, _, err := net.SplitHostPort(strings.TrimPrefix(strings.TrimPrefix(target, "dns:"), "///"))
	if err != nil {
		return false
	}
	address := net.ParseIP(host)
	return host == "localhost" || address != nil && address.IsLoopback()
}
