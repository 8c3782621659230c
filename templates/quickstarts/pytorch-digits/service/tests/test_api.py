"""The API, with and without a model: no port is opened, a socket pair stands for the network."""

import base64
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

import numpy as np

from digits_service import inputs, openapi, score, server

ZERO, SEVEN = [0] * 64, [7] + [0] * 63


class FirstPixel:
    """Stands for a model: the label of a row is its first pixel."""

    def run(self, wanted, feeds):
        label = feeds["rows"][:, 0].astype(np.int64)
        both = {"label": label, "scores": np.eye(17, dtype=np.float32)[label][:, :10]}
        return [both[name] for name in wanted]


class Pair(server.Handler):
    disable_nagle_algorithm = False  # there is none on a socket pair


class Api(unittest.TestCase):
    def setUp(self):
        self.state = server.State()
        self.state.problem = None
        self.enterContext(mock.patch.object(score, "_session", FirstPixel()))

    def connect(self) -> http.client.HTTPConnection:
        near, far = socket.socketpair()
        near.settimeout(5)
        self.addCleanup(near.close)

        def answer():
            with far:
                Pair(far, ("test", 0), types.SimpleNamespace(state=self.state))

        threading.Thread(target=answer, daemon=True).start()
        connection = http.client.HTTPConnection("digits")
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
        mock.patch.object(score, "_session", None).start()
        self.addCleanup(mock.patch.stopall)
        with mock.patch.dict("os.environ", {"MODEL_DIR": "", "MODELS_DIR": ""}), mock.patch("builtins.print"):
            self.state.load()

    def test_the_process_lives_but_is_not_ready(self):
        self.assertEqual(self.ask("GET", "/healthz")[0].status, 200)
        response, answer = self.ask("GET", "/readyz")
        self.assertEqual((response.status, answer["error"]), (503, "no model yet"))

    def test_predictions_say_why_not(self):
        response, answer = self.ask("POST", "/v1/predict", json.dumps({"rows": [ZERO]}))
        self.assertEqual((response.status, answer), (503, {"error": "no model yet"}))
        self.assertEqual(response.headers["Retry-After"], "2")

    def test_the_rest_answers(self):
        self.assertEqual(self.ask("GET", "/version")[1]["digest"], None)
        self.assertEqual(self.ask("GET", "/openapi.json")[1]["openapi"], "3.1.0")
        self.assertIn(b"digits_model_ready 0", self.ask("GET", "/metrics")[1])

    def test_a_broken_model_is_told_and_survived(self):
        with mock.patch.object(score, "init", side_effect=OSError("truncated")), mock.patch("builtins.print"):
            self.state.load()
        response, answer = self.ask("GET", "/readyz")
        self.assertEqual((response.status, answer["error"]), (503, "cannot load the model: truncated"))


class Requests(Api):
    def test_rows(self):
        self.assertEqual(self.predict({"rows": [SEVEN, ZERO]}), (200, {"labels": [7, 0]}))

    def test_scores_are_for_the_asking(self):
        status, answer = self.predict({"rows": [SEVEN], "scores": True})
        self.assertEqual((status, answer["labels"], answer["scores"][0].index(1.0)), (200, [7], 7))

    def test_records(self):
        record = {f"pixel_{i}": value for i, value in enumerate(SEVEN)}
        self.assertEqual(self.predict({"data": [record]}), (200, {"labels": [7]}))

    def test_named_columns_in_any_order(self):
        columns = [f"pixel_{i}" for i in reversed(range(64))]
        self.assertEqual(self.predict({"columns": columns, "data": [SEVEN[::-1]]}), (200, {"labels": [7]}))

    def test_several_inputs_by_key(self):
        status, answer = self.predict({"inputs": {"b": SEVEN, "a": ZERO}, "scores": True})
        self.assertEqual((status, answer["labels"]), (200, {"b": 7, "a": 0}))
        self.assertEqual(set(answer["scores"]), {"a", "b"})

    def test_images_as_text_and_as_bytes(self):
        image = bytes([255, *[0] * 63])
        # 255 is 16 on the model's scale
        self.assertEqual(self.predict({"images": [base64.b64encode(image).decode()]}), (200, {"labels": [16]}))
        response, answer = self.ask("POST", "/v1/predict", image * 2, {"Content-Type": "application/octet-stream"})
        self.assertEqual((response.status, answer), (200, {"labels": [16, 16]}))

    def test_wrong_ones_are_told_what_is_wrong(self):
        text = "é" * 64
        for request, part in (
            ([], "JSON object"),
            ({}, "exactly one of"),
            ({"rows": [ZERO], "data": [ZERO]}, "exactly one of"),
            ({"row": [ZERO]}, "unknown key 'row'"),
            ({"rows": []}, "at least one row"),
            ({"rows": [[1, 2, 3]]}, "got 3 values"),
            ({"rows": ZERO}, "got int"),
            ({"rows": [["1"] * 64]}, "must be a number"),
            ({"rows": [[None] * 64]}, "must be a number"),
            ({"rows": [[[1], *ZERO[1:]]]}, "must be a number"),
            ({"rows": [[255] * 64]}, "from 0 (paper) to 16 (ink)"),
            ({"rows": [[float("nan")] * 64]}, "from 0 (paper) to 16 (ink)"),
            ({"rows": [[10**400] * 64]}, "must be a number"),
            ({"rows": [ZERO], "scores": "yes"}, "true or false"),
            ({"rows": [ZERO], "columns": ["a"]}, "columns belong to data"),
            ({"columns": ["a"], "data": [ZERO]}, "columns must name"),
            ({"data": [{"pixel_0": 1}]}, "missing pixel_1"),
            ({"images": ["AAAA"]}, "got 3"),
            ({"images": [text]}, "base64"),
            ({"inputs": [ZERO]}, "object of named rows"),
        ):
            with self.subTest(request=str(request)[:60]):
                status, answer = self.predict(request)
                self.assertEqual(status, 400)
                self.assertIn(part, answer["error"])

    def test_what_is_no_json_is_told_so(self):
        for body in (b"", b"{", b"\xff", b"[" * 100_000, b'{"rows": 1' + b"0" * 5000 + b"}"):
            response, answer = self.ask("POST", "/v1/predict", body)
            self.assertEqual(response.status, 400)
            self.assertIn("not JSON", answer["error"])

    def test_a_failure_of_the_model_is_answered_as_text(self):
        with (
            mock.patch.object(FirstPixel, "run", side_effect=RuntimeError("out of cheese")),
            mock.patch.object(Pair, "log_error"),
        ):
            status, answer = self.predict({"rows": [ZERO]})
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
        text = json.dumps({"rows": [SEVEN]}).encode()
        response, answer = self.ask("POST", "/v1/predict", iter([text[:10], text[10:]]))
        self.assertEqual((response.status, answer), (200, {"labels": [7]}))

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
        self.predict({"rows": [SEVEN, SEVEN]})
        text = self.ask("GET", "/metrics")[1].decode()
        self.assertIn('digits_requests_total{path="/v1/predict",status="200"} 1\n', text)
        self.assertIn('digits_labels_total{label="7"} 2\n', text)

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
