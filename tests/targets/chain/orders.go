package main

import (
	"context"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/contrib/instrumentation/github.com/labstack/echo/otelecho"
)

// startOrders answers GET /orders/:item by asking stock; its address.
func startOrders(s *service, stock string) (string, error) {
	listener, err := listen()
	if err != nil {
		return "", err
	}
	reserve, err := dial(s, stock, "/stock.Stock/Reserve")
	if err != nil {
		return "", err
	}
	e := echo.New()
	e.HideBanner, e.HidePort, e.Listener = true, true, listener
	e.Use(otelecho.Middleware(s.name,
		otelecho.WithTracerProvider(s.traces), otelecho.WithPropagators(propagator)))
	e.GET("/orders/:item", func(c echo.Context) error {
		item, err := strconv.ParseInt(c.Param("item"), 10, 64)
		if err != nil {
			return echo.NewHTTPError(http.StatusBadRequest, "item must be a number")
		}
		err = s.do(c.Request().Context(), "/orders/:item", func(ctx context.Context) error {
			return reserve(ctx, item)
		})
		if err != nil {
			return echo.NewHTTPError(http.StatusBadGateway, err.Error())
		}
		return c.String(http.StatusOK, "ordered\n")
	})
	go func() { s.log.Error("ended", "problem", e.Start("").Error()) }()
	return "http://" + listener.Addr().String(), nil
}
