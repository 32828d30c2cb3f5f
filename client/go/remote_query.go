package ticketinguser

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/structpb"
)

var largestSafeInteger = big.NewInt(1 << 53)

// RemoteQuery makes a request's RemoteQuery of the values: nil, booleans, strings, numbers, json.Number, and slices and maps
// of these, whatever their types are called.
//
// An integer beyond 2^53 is refused, since it would be another number on the way (give it as a string), and so is what is no
// JSON by itself, such as a []byte, a struct or a time.Time. The error says where it is: "remote_query.a[1]: …".
func RemoteQuery(values map[string]any) (*structpb.Struct, error) {
	query, err := toStruct(reflect.ValueOf(values), "remote_query")
	if err != nil {
		return nil, fmt.Errorf("ticketinguser: %w", err)
	}
	return query, nil
}

func toStruct(values reflect.Value, path string) (*structpb.Struct, error) {
	fields := make(map[string]*structpb.Value, values.Len())
	for entry := values.MapRange(); entry.Next(); {
		key := entry.Key().String()
		if !utf8.ValidString(key) {
			return nil, fmt.Errorf("%s: the key %q is not UTF-8", path, key)
		}
		field, err := toValue(entry.Value().Interface(), path+"."+key)
		if err != nil {
			return nil, err
		}
		fields[key] = field
	}
	return &structpb.Struct{Fields: fields}, nil
}

func toList(items reflect.Value, path string) (*structpb.ListValue, error) {
	values := make([]*structpb.Value, items.Len())
	for index := range values {
		var err error
		values[index], err = toValue(items.Index(index).Interface(), fmt.Sprintf("%s[%d]", path, index))
		if err != nil {
			return nil, err
		}
	}
	return &structpb.ListValue{Values: values}, nil
}

func toValue(value any, path string) (*structpb.Value, error) {
	switch value := value.(type) {
	case nil:
		return structpb.NewNullValue(), nil
	case json.Number:
		number, err := value.Float64()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, errors.Unwrap(err))
		}
		return toNumber(number, value, path)
	case json.Marshaler, encoding.TextMarshaler:
		// Its JSON is not that of the type below.
		return nil, fmt.Errorf("%s: a %T is no JSON", path, value)
	}
	content := reflect.ValueOf(value)
	switch kind := content.Kind(); {
	case kind == reflect.Bool:
		return structpb.NewBoolValue(content.Bool()), nil
	case kind == reflect.String:
		if !utf8.ValidString(content.String()) {
			return nil, fmt.Errorf("%s: %q is not UTF-8", path, value)
		}
		return structpb.NewStringValue(content.String()), nil
	case content.CanInt():
		return toNumber(float64(content.Int()), content.Int(), path)
	case content.CanUint():
		return toNumber(float64(content.Uint()), content.Uint(), path)
	case content.CanFloat():
		return toNumber(content.Float(), nil, path)
	case kind == reflect.Map && content.Type().Key().Kind() == reflect.String:
		fields, err := toStruct(content, path)
		return structpb.NewStructValue(fields), err
	// Bytes are no list of numbers, and no text either.
	case (kind == reflect.Slice || kind == reflect.Array) && content.Type().Elem().Kind() != reflect.Uint8:
		items, err := toList(content, path)
		return structpb.NewListValue(items), err
	}
	return nil, fmt.Errorf("%s: a %T is no JSON", path, value)
}

// toNumber refuses a number whose text, as far as it has one, is an integer that a double would change.
func toNumber(number float64, text any, path string) (*structpb.Value, error) {
	// No integer: a fraction, which a double rounds by its nature.
	integer, isInteger := new(big.Int).SetString(fmt.Sprint(text), 10)
	if isInteger && integer.CmpAbs(largestSafeInteger) > 0 {
		return nil, fmt.Errorf("%s: %v is beyond 2^53; give it as a string", path, text)
	}
	if math.IsNaN(number) || math.IsInf(number, 0) {
		return nil, fmt.Errorf("%s: %v is no JSON", path, number)
	}
	return structpb.NewNumberValue(number), nil
}
