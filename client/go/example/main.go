// Deletes one user through a ticketing-user service, and says what became of it.
//
//	go run ./example -plaintext localhost:50051 23423524 62f44730-dd91-461e-bd6a-aedd9e0ad79d
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	ticketinguser "ticketing-user/client/go"
	"ticketing-user/client/go/ticketingv1"
)

func main() {
	plaintext := flag.Bool("plaintext", false, "without TLS")
	authorities := flag.String("ca-file", "", "authorities to trust instead of the system's")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: example [-plaintext] [-ca-file FILE] HOST:PORT USER ACCOUNT")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 3 {
		flag.Usage()
		os.Exit(2)
	}
	options := ticketinguser.Options{Plaintext: *plaintext, CAFile: *authorities}
	if err := deleteUser(flag.Arg(0), options, flag.Arg(1), flag.Arg(2)); err != nil {
		explain(err)
		os.Exit(1)
	}
}

func deleteUser(target string, options ticketinguser.Options, id, account string) error {
	client, err := ticketinguser.Connect(target, options)
	if err != nil {
		return err
	}
	defer client.Close()
	ignore := true
	answer, err := client.Delete(context.Background(), &ticketingv1.DeleteTicketingUserRequest{
		Id: id, IntegratedAccountId: account, TrutoIgnoreRemoteData: &ignore,
	})
	if err != nil {
		return err
	}
	fmt.Println(answer.GetOutcome(), answer.GetUser().GetId(), answer.GetUser().GetName())
	return nil
}

func explain(err error) {
	fmt.Fprintln(os.Stderr, err)
	var failure *ticketinguser.Error
	if !errors.As(err, &failure) {
		return
	}
	fmt.Fprintln(os.Stderr, failure.Advice)
	if failure.RetryAfter != nil {
		fmt.Fprintln(os.Stderr, "Come back in", *failure.RetryAfter)
	}
	if failure.Delivery == ticketinguser.Unknown {
		fmt.Fprintln(os.Stderr, "The user may have been deleted: request_id", failure.RequestID)
	}
}
