"""The API, with and without a model: no port is opened, a socket pair stands for the network."""

import http.client
import json
import socket
import sys
import threading
import types
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from diabetes_service import inputs, openapi, score, server

WIDTH = len(inputs.COLUMNS)
YOUNG, OLD = ([age, 2, 32.1, 101, 157, 93.2, 38, 4, 4.86, 87] for age in (20, 80))


class Age:
    """Stands for a model: the age is the answer."""

    def inplace_predict(self, rows, validate_features):
        return rows[:, 0]


class Pair(server.Handler):
    disable_nagle_algorithm = False  # there is none on a socket pair


class Api(unittest.TestCase):
    def setUp(self):
        self.state = server.State()
        self.state.problem = None
        self.enterContext(mock.patch.object(score, "_booster", Age()))

    def connect(self) -> http.client.HTTPConnection:
        near, far = socket.socketpair()
        near.settimeout(5)
        self.addCleanup(near.close)

        def answer():
            with far:
                Pair(far, ("test", 0), types.SimpleNamespace(state=self.state))

        threading.Thread(target=answer, daemon=True).start()
        connection = http.client.HTTPConnection("diabetes")
        connection.sock = near
        return connection

    def ask(self, method, path, body=None, headers=None, over=None):
        connection = over or self.connect()
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        text = response.read()
        return response, json.loads(text) if response.headers["Content-Type"] == "application/json" and text else text

    def predict(self, request):
        response, answer = self.ask("POST", "/v1/predict", json.dumps(request))
        return response.status, answer


class WithoutModel(Api):
    def setUp(self):
        super().setUp()
        mock.patch.object(score, "_booster", None).start()
        self.addCleanup(mock.patch.stopall)
        with mock.patch.dict("os.environ", {"MODEL_DIR": "", "MODELS_DIR": ""}), mock.patch("builtins.print"):
            self.state.load()

    def test_the_process_lives_but_is_not_ready(self):
        self.assertEqual(self.ask("GET", "/healthz")[0].status, 200)
        response, answer = self.ask("GET", "/readyz")
        self.assertEqual((response.status, answer["error"]), (503, "no model yet"))

    def test_predictions_say_why_not(self):
        response, answer = self.ask("POST", "/v1/predict", json.dumps({"rows": [YOUNG]}))
        self.assertEqual((response.status, answer), (503, {"error": "no model yet"}))
        self.assertEqual(response.headers["Retry-After"], "2")

    def test_the_rest_answers(self):
        self.assertEqual(self.ask("GET", "/version")[1]["digest"], None)
        self.assertEqual(self.ask("GET", "/openapi.json")[1]["openapi"], "3.1.0")
        self.assertIn(b"diabetes_model_ready 0", self.ask("GET", "/metrics")[1])

    def test_a_broken_model_is_told_and_survived(self):
        with mock.patch.object(score, "init", side_effect=OSError("truncated")), mock.patch("builtins.print"):
            self.state.load()
        response, answer = self.ask("GET", "/readyz")
        self.assertEqual((response.status, answer["error"]), (503, "cannot load the model: truncated"))


class Requests(Api):
    def test_rows(self):
        self.assertEqual(self.predict({"rows": [OLD, YOUNG]}), (200, {"values": [80, 20]}))

    def test_records(self):
        record = dict(zip(inputs.COLUMNS, OLD, strict=True))
        self.assertEqual(self.predict({"data": [record]}), (200, {"values": [80]}))

    def test_named_columns_in_any_order(self):
        columns = inputs.COLUMNS[::-1]
        self.assertEqual(self.predict({"columns": columns, "data": [OLD[::-1]]}), (200, {"values": [80]}))

    def test_several_inputs_by_key(self):
        answer = self.predict({"inputs": {"b": OLD, "a": YOUNG}})
        self.assertEqual(answer, (200, {"values": {"b": 80, "a": 20}}))

    def test_wrong_ones_are_told_what_is_wrong(self):
        for request, part in (
            ([], "JSON object"),
            ({}, "exactly one of"),
            ({"rows": [OLD], "data": [OLD]}, "exactly one of"),
            ({"row": [OLD]}, "unknown key 'row'"),
            ({"rows": [OLD], "scores": True}, "unknown key 'scores'"),
            ({"rows": []}, "at least one row"),
            ({"rows": [[1, 2, 3]]}, "got 3 values"),
            ({"rows": OLD}, "got int"),
            ({"rows": [["1"] * WIDTH]}, "must be a number"),
            ({"rows": [[None] * WIDTH]}, "must be a number"),
            ({"rows": [[[1], *OLD[1:]]]}, "must be a number"),
            ({"rows": [[590, *OLD[1:]]]}, "age goes from 0 to 120"),
            ({"rows": [[*OLD[:1], 0, *OLD[2:]]]}, "sex goes from 1 to 2"),
            ({"rows": [[float("nan"), *OLD[1:]]]}, "age goes from"),
            ({"rows": [[10**400] * WIDTH]}, "must be a number"),
            ({"rows": [OLD], "columns": ["a"]}, "columns belong to data"),
            ({"columns": ["a"], "data": [OLD]}, "columns must name"),
            ({"data": [{"age": 1}]}, "missing sex"),
            ({"data": [{**dict(zip(inputs.COLUMNS, OLD, strict=True)), "height": 1}]}, "unknown 'height'"),
            ({"inputs": [OLD]}, "object of named rows"),
        ):
            with self.subTest(request=str(request)[:60]):
                status, answer = self.predict(request)
                self.assertEqual(status, 400)
                self.assertIn(part, answer["error"])

    def test_only_json_is_taken(self):
        response, answer = self.ask("POST", "/v1/predict", b"12", {"Content-Type": "application/octet-stream"})
        self.assertEqual(response.status, 400)
        self.assertIn("send JSON", answer["error"])

    def test_what_is_no_json_is_told_so(self):
        for body in (b"", b"{", b"\xff", b"[" * 100_000, b'{"rows": 1' + b"0" * 5000 + b"}"):
            response, answer = self.ask("POST", "/v1/predict", body)
            self.assertEqual(response.status, 400)
            self.assertIn("not JSON", answer["error"])

    def test_a_failure_of_the_model_is_answered_as_text(self):
        with (
            mock.patch.object(Age, "inplace_predict", side_effect=RuntimeError("out of cheese")),
            mock.patch.object(Pair, "log_error"),
        ):
            status, answer = self.predict({"rows": [YOUNG]})
        self.assertEqual(status, 500)
        self.assertIn("out of cheese", answer["error"])


class Protocol(Api):
    def test_a_connection_is_kept_for_the_next_request_also_after_an_error(self):
        connection = self.connect()
        for path, status in (("/v1/predict", 400), ("/nowhere", 404), ("/healthz", 405), ("/v1/predict", 400)):
            response, _ = self.ask("POST", path, "{}", over=connection)
            self.assertEqual(response.status, status)
            self.assertFalse(response.will_close)

    def test_methods(self):
        response, _ = self.ask("GET", "/v1/predict")
        self.assertEqual((response.status, response.headers["Allow"]), (405, "POST"))
        response, body = self.ask("HEAD", "/healthz")
        self.assertEqual((response.status, body), (200, b""))

    def test_bodies_in_pieces_are_read(self):
        text = json.dumps({"rows": [OLD]}).encode()
        response, answer = self.ask("POST", "/v1/predict", iter([text[:10], text[10:]]))
        self.assertEqual((response.status, answer), (200, {"values": [80]}))

    def test_huge_or_odd_lengths_are_refused(self):
        for headers in ({"Content-Length": str(server.BODY_BYTES_MAX + 1)}, {"Content-Length": "+1"}):
            connection = self.connect()
            connection.putrequest("POST", "/v1/predict")
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            self.assertEqual((response.status, response.will_close), (413, True))

    def test_requests_are_counted(self):
        self.predict({"rows": [OLD, OLD]})
        text = self.ask("GET", "/metrics")[1].decode()
        self.assertIn('diabetes_requests_total{path="/v1/predict",status="200"} 1\n', text)
        self.assertIn('diabetes_labels_total{label="50 to 100"} 2\n', text)

    def test_the_end_is_announced(self):
        self.state.draining = True
        response, _ = self.ask("GET", "/readyz")
        self.assertEqual((response.status, response.will_close), (503, True))


class Description(unittest.TestCase):
    def test_every_path_is_described_and_every_reference_leads_somewhere(self):
        self.assertEqual(set(openapi.DOCUMENT["paths"]) | {"/"}, set(server.ROUTES))
        text = json.dumps(openapi.DOCUMENT)
        for part in text.split('"#/components/schemas/')[1:]:
            self.assertIn(part.split('"')[0], openapi.DOCUMENT["components"]["schemas"])

    def test_its_examples_are_accepted(self):
        body = openapi.PREDICT["post"]["requestBody"]["content"]["application/json"]
        for example in body["examples"].values():
            inputs.parse(example["value"])


if __name__ == "__main__":
    unittest.main()
