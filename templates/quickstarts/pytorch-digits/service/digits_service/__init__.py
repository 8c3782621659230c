"""An HTTP API around the digits model.

server.py speaks HTTP, score.py loads the model and answers, inputs.py reads what a request may look like,
openapi.py describes it all. Only score.py and inputs.py know the model: change those two for another one.
"""
