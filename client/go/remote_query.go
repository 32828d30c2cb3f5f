package ticketinguser

import (
	"encoding/json"
	"fmt"
	"math/big"

	"google.golang.org/protobuf/types/known/structpb"
)

var largestSafeInteger = big.NewInt(1 << 53)

// RemoteQuery makes a request's RemoteQuery of the values, as structpb.NewStruct does, but refuses an integer beyond 2^53,
// which would be another number on the way; give it as a string.
func RemoteQuery(values map[string]any) (*structpb.Struct, error) {
	if err := checkNumbers(values, "remote_query"); err != nil {
		return nil, fmt.Errorf("ticketinguser: %w", err)
	}
	query, err := structpb.NewStruct(values)
	if err != nil {
		return nil, fmt.Errorf("ticketinguser: remote_query: %w", err)
	}
	return query, nil
}

func checkNumbers(value any, path string) error {
	switch value := value.(type) {
	case map[string]any:
		for key, item := range value {
			if err := checkNumbers(item, path+"."+key); err != nil {
				return err
			}
		}
	case []any:
		for index, item := range value {
			if err := checkNumbers(item, fmt.Sprintf("%s[%d]", path, index)); err != nil {
				return err
			}
		}
	case int, int64, uint, uint64, json.Number:
		// No integer: a fraction, which a double rounds by its nature.
		number, isInteger := new(big.Int).SetString(fmt.Sprint(value), 10)
		if isInteger && number.CmpAbs(largestSafeInteger) > 0 {
			return fmt.Errorf("%s: %v is beyond 2^53; give it as a string", path, value)
		}
	}
	return nil
}
