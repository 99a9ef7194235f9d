package main

import (
	"context"
	"strings"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// call asks another service for something about an item.
type call func(ctx context.Context, item int64) error

// dial is a client of one method, e.g. "/stock.Stock/Reserve". The context goes as gRPC metadata.
func dial(s *service, address, method string) (call, error) {
	client, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStatsHandler(otelgrpc.NewClientHandler(
			otelgrpc.WithTracerProvider(s.traces), otelgrpc.WithPropagators(propagator))))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, item int64) error {
		return client.Invoke(ctx, method, wrapperspb.Int64(item), &emptypb.Empty{})
	}, nil
}

// serve is a server of one method; its address.
func serve(s *service, method string, handle call) (string, error) {
	listener, err := listen()
	if err != nil {
		return "", err
	}
	name, short, _ := strings.Cut(method[1:], "/")
	answer := func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		item := &wrapperspb.Int64Value{}
		if err := decode(item); err != nil {
			return nil, err
		}
		err := s.do(ctx, method, func(ctx context.Context) error { return handle(ctx, item.Value) })
		return &emptypb.Empty{}, err
	}
	server := grpc.NewServer(grpc.StatsHandler(otelgrpc.NewServerHandler(
		otelgrpc.WithTracerProvider(s.traces), otelgrpc.WithPropagators(propagator))))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: name,
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: short, Handler: answer}},
	}, nil)
	go func() { s.log.Error("ended", "problem", server.Serve(listener)) }()
	return listener.Addr().String(), nil
}
